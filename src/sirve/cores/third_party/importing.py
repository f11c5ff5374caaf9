"""Import of other people's packages, only when a model made of one is built."""

import logging
from importlib import import_module
from typing import Any

import torch


def import_package(module: str, package: str) -> Any:
    """Import ``module``; raises ValueError if its ``package`` is not installed."""
    silent = logging.root.manager.disable
    try:
        logging.disable(max(silent, logging.INFO))  # monai imports all it finds, and these log
        with torch.device("cpu"):  # a core may be built under the meta device
            return import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this model is made of {package}, which is not installed ({error}): "
            "pip install 'sirve[rivals]'"
        ) from error
    finally:
        logging.disable(silent)
