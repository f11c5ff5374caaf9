"""Other people's packages, the extra ``[rivals]``: imported when a model of theirs is built."""

import logging
from importlib import import_module
from typing import Any

import torch


def imported(module: str, package: str) -> Any:
    """``module`` of a ``package``; raises ValueError where that is not installed."""
    silent = logging.root.manager.disable
    try:
        logging.disable(max(silent, logging.INFO))  # monai imports all that it finds, and they talk
        with torch.device("cpu"):  # a checkpoint's sizes are compared on the meta device
            return import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this model is made of {package}, which is not installed ({error}): "
            "pip install 'sirve[rivals]'"
        ) from error
    finally:
        logging.disable(silent)
