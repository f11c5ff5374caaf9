"""Hostile files, each with the function that reads it and the reason why it is refused.

A pickle that is run creates a file named canary in the parent folder.
"""

from hostile_files.checkpoints import CHECKPOINTS
from hostile_files.hdf5 import HDF5
from hostile_files.own import OWN
from hostile_files.texts import DATASETS, YAML

TABLE = {**CHECKPOINTS, **YAML, **HDF5, **DATASETS, **OWN}
