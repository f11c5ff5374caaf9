"""Files of strangers, each with what reads it and the reason for which it is refused.

A pickle that is run leaves a file named canary in the folder above.
"""

from hostile_files.checkpoints import CHECKPOINTS
from hostile_files.hdf5 import HDF5
from hostile_files.own import OWN
from hostile_files.texts import DATASETS, YAML

TABLE = {**CHECKPOINTS, **YAML, **HDF5, **DATASETS, **OWN}
