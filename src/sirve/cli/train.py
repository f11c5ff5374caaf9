"""The command ``sirve train``: Hydra composes the configuration, ``pipeline.run`` does the work.

torch and Lightning are imported only when there is work to do, so that --help and completion
answer at once.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
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
from sirve.cli.hydra_errors import CONF, explain, refuse_renamed
from sirve.errors import Stopped, UserError, one_line
from sirve.runs import run_folder, signals


def main() -> None:
    """Run the main job."""
    with exit_on_errors():
        shared = run_folder.inherited()
        if shared is None:
            run_with_config(_train)
        else:
            signals.end_with_parent()
            with print_errors(), signals.deferred():  # until all ranks can agree
                _run_pipeline(*resolve(OmegaConf.load(shared / "config.yaml")))


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """Turn what the user can correct, and signals, into one line on stderr and an exit code.

    Exit codes: 0 done, 1 stopped by an error during the work, 2 refused before any work, 75 stopped
    by SIGTERM or SIGUSR1, 130 by Ctrl-C: the same command resumes the run.
    """
    # Waiting threads must sleep: spinning, they slow each other down tenfold on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises errors and does not print them
    try:
        with signals.handled():
            yield
    except UserError as error:  # of a run of a sweep, printed when it happened
        sys.exit(_exit_code(error))
    except (HydraException, OmegaConfBaseException) as error:
        fail(explain(error), 2)
    except RecursionError:  # hundreds of nested lists
        fail("an option is nested too deeply to be read; give it with fewer levels", 2)
    except signals.Interrupted as stop:
        if run_folder.inherited() is not None:
            sys.exit(0)  # the launcher would kill the first rank, which may not be done
        run = run_folder.current()
        fail(
            f"stopped by {stop}; the same command resumes it{f', or resume={run}' if run else ''}",
            stop.code,
        )


def run_with_config(work: Callable[[dict[str, Any], str], object]) -> None:
    """Call ``work(config, config_yaml)`` with the configuration that the command line gives.

    ``config`` has all references resolved; ``config_yaml`` is the text of config.yaml, in which
    references to the environment stay references. A sweep calls it for each of its runs, and a
    search minimises what it returns.
    """
    _check_arguments(sys.argv[1:])

    @hydra.main(config_path=str(CONF), config_name="train", version_base="1.3")
    def run_job(config: DictConfig) -> object:
        with print_errors():
            return work(*resolve(with_names(config, HydraConfig.get().runtime.choices)))

    run_job()


def with_names(config: DictConfig, choices: Mapping[str, str]) -> DictConfig:
    """Return the configuration with ``names``, the chosen sim and model, before everything else."""
    names = {group: Path(choices[group]).name for group in ("sim", "model")}
    copied = OmegaConf.create(OmegaConf.to_yaml(config))
    merged = OmegaConf.merge({"names": names}, copied)
    assert isinstance(merged, DictConfig)
    return merged


def _train(config: dict[str, Any], config_yaml: str) -> float | None:
    """Run or resume the job; return the error of its validation rollouts, which a search minimises.

    See ``sirve.metrics.validation.log_error``.
    """
    from sirve.runs import resume

    run = resume.asked(config)
    if run is not None:
        keys = _overridden_keys()
        config = resume.configuration(run, config, keys)
        config_yaml = OmegaConf.to_yaml(
            resume.configuration(run, yaml.safe_load(config_yaml), keys)
        )
    return _run_pipeline(config, config_yaml)


def _overridden_keys() -> list[str]:
    """Return the keys that the command line sets besides resume=.

    UserError for a choice of a group, which the resumed run has made already.
    """
    keys = []
    for override in HydraConfig.get().overrides.task:
        key = override.lstrip("+").partition("=")[0]
        if key in ("sim", "model"):
            keys.append(f"names.{key}")
        elif key == "fit":
            keys.append("fit._target_")
        elif not (CONF / key).is_dir():
            keys.append(key)
        elif key not in ("logger", "launcher"):
            raise UserError(
                f"resume= takes the run's own {key}: leave {override} out, or set single keys"
            )
    return keys


def _check_arguments(arguments: list[str]) -> None:
    """Refuse literal secrets and old names before Hydra reads the arguments.

    This comes first because Hydra writes the arguments of a sweep to a file before its runs start.
    """
    parser = OverridesParser.create()
    try:
        for argument in arguments:
            key, equals, value = argument.partition("=")
            if argument.startswith("-") or not equals:
                continue
            try:
                parsed: Any = parser.parse_override(argument).value()
            except HydraException:
                parsed = value  # Hydra will report the error
            secrets.refuse_literals(parsed.list if isinstance(parsed, ChoiceSweep) else parsed, key)
        refuse_renamed(arguments)
    except UserError as error:
        fail(str(error), 2)


def _run_pipeline(config: dict[str, Any], config_yaml: str) -> float | None:
    """Do the job.

    A further rank comes here directly, with the config.yaml that the first one wrote: from the
    command line it would compose every job again, or even run all jobs of a sweep.
    """
    from sirve.pipeline import run as pipeline

    return pipeline.run(config, config_yaml)


@contextmanager
def print_errors() -> Iterator[None]:
    """Print an error in one line when it happens: Hydra would print the overrides first."""
    try:
        yield
    except (UserError, OSError) as error:
        if isinstance(error, OSError):  # a full disk, a quota, a folder that has disappeared
            error = Stopped(f"{one_line(str(error))}; what was written before is intact")
        print(f"error: {error}", file=sys.stderr)
        if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            raise error  # Hydra runs the rest of the sweep, then raises this again
        sys.exit(_exit_code(error))


def resolve(config: Any) -> tuple[dict[str, Any], str]:
    """Return the configuration with all references resolved, and the text of config.yaml.

    UserError for secrets.
    """
    try:
        kept: Any = _keep_environment(config)
        secrets.refuse_literals(kept)
        secrets.refuse_references(kept)
        resolved: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from error
    return resolved, OmegaConf.to_yaml(OmegaConf.create(kept))


def _keep_environment(config: Any) -> Any:
    """Return the configuration with references resolved, except those to the environment.

    While this resolves, the environment answers with the reference itself, so indirect references
    are kept too.
    """

    def reference(*key: Any) -> str:
        parts = ("null" if part is None else str(part) for part in key)
        return "${oc.env:" + ",".join(parts) + "}"

    OmegaConf.register_new_resolver("oc.env", reference, replace=True)
    try:
        return OmegaConf.to_container(OmegaConf.create(OmegaConf.to_yaml(config)), resolve=True)
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True, use_cache=False)


def _exit_code(error: UserError) -> int:
    return 1 if isinstance(error, Stopped) else 2


def fail(message: str, code: int) -> None:
    """Print one line on stderr and exit with ``code``."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
