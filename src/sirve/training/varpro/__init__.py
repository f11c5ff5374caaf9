"""Variable projection: the readout is solved for at every step, and only the rest is trained.

Knows cores and their readouts; no data, no Lightning, no configuration.
"""

from sirve.training.varpro.descent import Descent as Descent
from sirve.training.varpro.methods import LM as LM
from sirve.training.varpro.methods import SOAP as SOAP
from sirve.training.varpro.methods import VarPro as VarPro
