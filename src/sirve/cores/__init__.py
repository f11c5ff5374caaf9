"""Cores: the recurrent networks, and the baselines and other networks to compare them with.

Nothing here depends on data or training. The equations of the recurrent cells are in ``cells``. A
new cell or core is one class in a module of its own, exported here, with a
``conf/model/<name>.yaml``.
"""

from sirve.cores.base import Core as Core
from sirve.cores.baselines.copying import Analogue as Analogue
from sirve.cores.baselines.copying import Parrot as Parrot
from sirve.cores.baselines.dynamic_modes import DynamicModes as DynamicModes
from sirve.cores.baselines.perceptron import Perceptron as Perceptron
from sirve.cores.baselines.polynomial import NGRC as NGRC
from sirve.cores.baselines.polynomial import Polynomial as Polynomial
from sirve.cores.baselines.random_features import RandomFeatures as RandomFeatures
from sirve.cores.baselines.simple import Climatology as Climatology
from sirve.cores.baselines.simple import ContextMean as ContextMean
from sirve.cores.baselines.simple import Linear as Linear
from sirve.cores.baselines.simple import MeanState as MeanState
from sirve.cores.baselines.simple import Persistence as Persistence
from sirve.cores.cells import GRU as GRU
from sirve.cores.cells import LSTM as LSTM
from sirve.cores.cells import RNN as RNN
from sirve.cores.cells import Cell as Cell
from sirve.cores.echo_state import EchoState as EchoState
from sirve.cores.films.recurrent import FilmRecurrent as FilmRecurrent
from sirve.cores.films.stacked import FilmStacked as FilmStacked
from sirve.cores.predrnn import PredRNN as PredRNN
from sirve.cores.recurrent import ConvRecurrent as ConvRecurrent
from sirve.cores.recurrent import Recurrent as Recurrent
from sirve.cores.residual import ResidualRecurrent as ResidualRecurrent
from sirve.cores.residual import ResidualStacked as ResidualStacked
from sirve.cores.third_party.fourier_operator import FourierOperator as FourierOperator
from sirve.cores.third_party.mamba import Mamba as Mamba
from sirve.cores.third_party.unet import UNet as UNet
