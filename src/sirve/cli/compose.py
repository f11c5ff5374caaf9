"""Compose a configuration in Python, as the command line does."""

from collections.abc import Iterator, Mapping
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sirve.cli.hydra_errors import CONF, explain
from sirve.cli.train import resolve, with_names
from sirve.errors import UserError


def configuration(settings: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the configuration that the command line would compose, and the text of config.yaml.

    ``settings`` are keys and values, such as ``{"model": "gru", "trainer": {"updates": 500}}``. A
    group takes the name of one of its choices, or a dict of values with the choice under "name".
    Raises UserError.
    """
    words = [*overrides(settings)]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=words, return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error)) from error
    choices = config.hydra.runtime.choices
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    return resolve(with_names(config, choices))


def overrides(settings: Mapping[str, Any]) -> Iterator[str]:
    """Write settings as words of the command line, choices of groups first."""
    values = []
    for key, value in settings.items():
        group = (CONF / key).is_dir()
        if isinstance(value, Mapping):
            more = dict(value)
            if group and "name" in more:
                yield f"{key}={_text(more.pop('name'))}"
            values += [f"{key}.{name}={_text(one)}" for name, one in more.items()]
        elif group:
            yield f"{key}={_text(value)}"
        else:
            values.append(f"{key}={_text(value)}")
    yield from values


def _text(value: Any) -> str:
    """Write a value as Hydra reads it on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, int | float):
        return repr(value)
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
