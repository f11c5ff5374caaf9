"""What forecasts: the note's recurrent networks and the baselines. Knows no data and no training.

A new cell is one class in a module of its own, exported here, and a ``conf/model/<name>.yaml``.
"""

from sirve.cores.base import Core as Core
from sirve.cores.cells import GRU as GRU
from sirve.cores.cells import LSTM as LSTM
from sirve.cores.cells import RNN as RNN
from sirve.cores.cells import Cell as Cell
from sirve.cores.decomposition import DynamicModes as DynamicModes
from sirve.cores.echo import EchoState as EchoState
from sirve.cores.fourier import FourierOperator as FourierOperator
from sirve.cores.memoryless import Climatology as Climatology
from sirve.cores.memoryless import ContextMean as ContextMean
from sirve.cores.memoryless import Linear as Linear
from sirve.cores.memoryless import Persistence as Persistence
from sirve.cores.perceptron import Perceptron as Perceptron
from sirve.cores.polynomial import NGRC as NGRC
from sirve.cores.polynomial import Polynomial as Polynomial
from sirve.cores.random_features import RandomFeatures as RandomFeatures
from sirve.cores.recurrent import ConvRecurrent as ConvRecurrent
from sirve.cores.recurrent import Recurrent as Recurrent
from sirve.cores.residual import ResidualRecurrent as ResidualRecurrent
from sirve.cores.residual import ResidualStacked as ResidualStacked
from sirve.cores.selective import Mamba as Mamba
from sirve.cores.unet import UNet as UNet
