"""Variable projection: the readout is solved for at every step, and only the rest is trained.

Knows cores and their readouts; no data, no Lightning, no configuration.
"""

from sirve.varpro.descent import Descent as Descent
from sirve.varpro.methods import LM as LM
from sirve.varpro.methods import SOAP as SOAP
from sirve.varpro.methods import VarPro as VarPro
