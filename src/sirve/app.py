"""The command line: Hydra composes the configuration, ``pipeline.run`` does the work.

torch and Lightning are imported only when there is work to do, so that --help and completion
answer at once.
"""

import difflib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from sirve import run_folder, secrets
from sirve.errors import Stopped, UserError

_HERE = Path(__file__).resolve().parent
# In the wheel conf/ lies beside this file, in a checkout at its top.
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parents[1] / "conf"


def main() -> None:
    """Run the command; what the user can mend is one line on stderr and exit code 2."""
    # Threads that wait must sleep: spinning, they slow each other down tenfold on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, not to Hydra's printer
    try:
        shared = run_folder.inherited()
        if shared is None:
            _check_arguments(sys.argv[1:])
            _hydra_main()
        else:
            _start(OmegaConf.load(shared / "config.yaml"))
    except UserError as error:  # of a run of a sweep, printed when it happened
        sys.exit(_code(error))
    except (HydraException, OmegaConfBaseException) as error:
        fail(_explain(error), 2)
    except RecursionError:  # lists in lists, by the hundred
        fail("an option is nested too deeply to be read; give it flatter", 2)
    except KeyboardInterrupt:
        fail("interrupted; what is in the run's folder stays there", 130)


@hydra.main(config_path=str(CONF), config_name="train", version_base="1.3")
def _hydra_main(config: DictConfig) -> None:
    choices = HydraConfig.get().runtime.choices
    names = {group: Path(choices[group]).name for group in ("sim", "model")}
    _start(OmegaConf.merge({"names": names}, OmegaConf.create(OmegaConf.to_yaml(config))))


def _check_arguments(arguments: list[str]) -> None:
    """Refuse literal secrets before Hydra sees them: a sweep is written down before its runs."""
    parser = OverridesParser.create()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument.startswith("-") or not equals:
            continue
        try:
            parsed: Any = parser.parse_override(argument).value()
        except HydraException:
            parsed = value  # Hydra will say what is wrong with it
        try:
            parsed = parsed.list if isinstance(parsed, ChoiceSweep) else parsed
            secrets.refuse_literals(parsed, key)
        except UserError as error:
            fail(str(error), 2)


def _start(config: Any) -> None:
    """Do the job. A further rank comes here at once, with what the first wrote to config.yaml:

    the command line would make it compose, or in a sweep even run, every other job again.
    """
    try:
        resolved, plain = _resolved(config)

        from sirve import pipeline

        pipeline.run(resolved, plain)
    except UserError as error:  # here already: Hydra would print the overrides first
        print(f"error: {error}", file=sys.stderr)
        if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            raise  # the other runs of the sweep go on; Hydra raises this again after the last
        sys.exit(_code(error))


def _resolved(config: Any) -> tuple[dict[str, Any], str]:
    """The configuration with its references resolved, and config.yaml; UserError for secrets."""
    try:
        settled: Any = _settled(config)
        secrets.refuse_literals(settled)
        secrets.refuse_references(settled)
        resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(_explain(error)) from error
    return resolved, OmegaConf.to_yaml(OmegaConf.create(settled))


def _settled(config: Any) -> Any:
    """config.yaml: references between keys resolved, those to the environment left as they are.

    However indirect: while this resolves, the environment answers with the reference itself.
    """

    def reference(*key: Any) -> str:
        parts = ("null" if part is None else str(part) for part in key)
        return "${oc.env:" + ",".join(parts) + "}"

    OmegaConf.register_new_resolver("oc.env", reference, replace=True)
    try:
        return OmegaConf.to_container(OmegaConf.create(OmegaConf.to_yaml(config)), resolve=True)
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True, use_cache=False)


def _code(error: UserError) -> int:
    return 1 if isinstance(error, Stopped) else 2


def fail(message: str, code: int) -> None:
    """One line on stderr, then exit."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def _explain(error: Exception) -> str:
    """Hydra's message in one line, with the nearest key for a misspelt one."""
    text = str(error)
    misspelt = re.search(r"Could not override '([\w.@/-]+)'", text)
    if misspelt:
        key = misspelt.group(1)
        close = difflib.get_close_matches(key, list(_known_keys()), n=1, cutoff=0.6)
        remedy = f"did you mean '{close[0]}'?" if close else "see `--cfg job` for all keys"
        return f"unknown key '{key}'; {remedy}"
    choice = re.search(r"Could not find '([\w./-]+)/([^'/]+)'", text)
    if choice:
        group, name = choice.groups()
        if group.startswith("hydra/"):
            return f"{group} '{name}' is not installed; pip install 'sirve[slurm]' brings Slurm's"
        known = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        return f"unknown {group} '{name}'; choose from: {', '.join(known)}"
    missing = re.search(r"Environment variable '(\w+)' not found", text)
    if missing:
        return f"the environment has no {missing.group(1)}; set it, or write the value"
    return " ".join(text.split())


def _known_keys() -> Iterator[str]:
    """Every dotted key of the configuration that the command line's choices compose."""
    from hydra import compose
    from hydra.core.global_hydra import GlobalHydra
    from hydra.initialize import initialize_config_dir

    GlobalHydra.instance().clear()
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    chosen = [a for a in sys.argv[1:] if a.partition("=")[0] in groups and "," not in a]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=chosen)

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for key, value in node.items():
            yield prefix + key
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")

    yield from walk(OmegaConf.to_container(config, resolve=False), "")
