"""Compose a configuration in Python, as the command line does."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sirve.cli.hydra_errors import CONF, explain
from sirve.cli.train import resolve
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
    names = {group: Path(choices[group]).name for group in ("sim", "model")}
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    del plain["hydra"]
    return resolve(OmegaConf.create({"names": names, **plain}))


def overrides(settings: Mapping[str, Any]) -> Iterator[str]:
    """Write settings as words of the command line, choices of groups first."""
    values = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and (CONF / key).is_dir():
            more = dict(value)
            if "name" in more:
                yield f"{key}={_text(more.pop('name'))}"
            values += [f"{key}.{name}={_text(one)}" for name, one in more.items()]
        elif (CONF / key).is_dir():
            yield f"{key}={_text(value)}"
        elif isinstance(value, Mapping):
            values += [f"{key}.{name}={_text(one)}" for name, one in value.items()]
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
