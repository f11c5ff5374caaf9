"""The command line: Hydra composes the configuration, ``pipeline.run`` does the work.

torch and Lightning are imported only when there is work to do, so that --help and completion
answer at once.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from sirve.cli import secrets
from sirve.cli.hydra_errors import CONF, explain
from sirve.errors import Stopped, UserError, one_line
from sirve.runs import run_folder, signals


def main() -> None:
    """Do the main job."""
    with command():
        shared = run_folder.inherited()
        if shared is None:
            compose(_train)
        else:
            signals.end_with_parent()
            with told(), signals.deferred():  # until all ranks can agree
                _work(*resolved(OmegaConf.load(shared / "config.yaml")))


@contextmanager
def command() -> Iterator[None]:
    """Around all that a command does: what the user can mend is one line on stderr.

    Exit codes: 0 done, 1 stopped by what went wrong on the way, 2 refused before any work, 75
    stopped by SIGTERM or SIGUSR1 (130 by Ctrl-C): started again, it goes on.
    """
    # Threads that wait must sleep: spinning, they slow each other down tenfold on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, not to Hydra's printer
    try:
        with signals.handled():
            yield
    except UserError as error:  # of a run of a sweep, printed when it happened
        sys.exit(_code(error))
    except (HydraException, OmegaConfBaseException) as error:
        fail(explain(error), 2)
    except RecursionError:  # lists in lists, by the hundred
        fail("an option is nested too deeply to be read; give it flatter", 2)
    except signals.Interrupted as stop:
        if run_folder.inherited() is not None:
            sys.exit(0)  # the launcher would kill the first rank, which may not be done
        run = run_folder.current()
        fail(
            f"stopped by {stop}; the same command goes on{f', or resume={run}' if run else ''}",
            stop.code,
        )


def compose(work: Callable[[dict[str, Any], str], object]) -> None:
    """``work(resolved, plain)`` for the configuration that the command line composes.

    In a sweep, for each of them: what it returns is what a search minimises. ``plain`` is what
    config.yaml says.
    """
    _check_arguments(sys.argv[1:])

    @hydra.main(config_path=str(CONF), config_name="train", version_base="1.3")
    def composed(config: DictConfig) -> object:
        choices = HydraConfig.get().runtime.choices
        names = {group: Path(choices[group]).name for group in ("sim", "model")}
        named = OmegaConf.merge({"names": names}, OmegaConf.create(OmegaConf.to_yaml(config)))
        with told():
            return work(*resolved(named))

    composed()


def _train(resolved: dict[str, Any], plain: str) -> float | None:
    """The error of the validation's rollouts; see ``sirve.forecasting.forecaster.log_error``."""
    from sirve.runs import resume

    run = resume.asked(resolved)
    if run is not None:
        keys = _overridden()
        resolved = resume.configuration(run, resolved, keys)
        plain = OmegaConf.to_yaml(resume.configuration(run, yaml.safe_load(plain), keys))
    return _work(resolved, plain)


def _overridden() -> list[str]:
    """The keys that the command line sets beside resume=; UserError for a choice of a group."""
    keys = []
    for override in HydraConfig.get().overrides.task:
        key = override.lstrip("+").partition("=")[0]
        if key in ("sim", "model"):
            keys.append(f"names.{key}")
        elif not (CONF / key).is_dir():
            keys.append(key)
        elif key not in ("logger", "launcher"):
            raise UserError(
                f"resume= takes the run's own {key}: leave {override} out, or set single keys"
            )
    return keys


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


def _work(resolved: dict[str, Any], plain: str) -> float | None:
    """Do the job. A further rank comes here at once, with what the first wrote to config.yaml:

    the command line would make it compose, or in a sweep even run, every other job again.
    """
    from sirve.pipeline import run as pipeline

    return pipeline.run(resolved, plain)


@contextmanager
def told() -> Iterator[None]:
    """An error is told when it happens, in one line: Hydra would print the overrides first."""
    try:
        yield
    except (UserError, OSError) as error:
        if isinstance(error, OSError):  # a full disk, a quota, a folder that went away
            error = Stopped(f"{one_line(str(error))}; what was written before is intact")
        print(f"error: {error}", file=sys.stderr)
        if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            raise error  # the other runs of the sweep go on; Hydra raises this again after the last
        sys.exit(_code(error))


def resolved(config: Any) -> tuple[dict[str, Any], str]:
    """The configuration with its references resolved, and config.yaml; UserError for secrets."""
    try:
        settled: Any = _settled(config)
        secrets.refuse_literals(settled)
        secrets.refuse_references(settled)
        resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from error
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
