"""Make a workspace that compares the runs of a W&B project, and print its address.

sirve workspace ENTITY/PROJECT [--sim lorenz]

The workspace overlays the errors over forecast time, shows pictures and films of the forecasts side
by side, run by run, and lists the test rollouts in one table; the list of runs shows the scores,
best first. Errors are comparable within one system: --sim shows only the runs of that system. This
needs the extra (pip install ".[dashboard]"), runs on the server (logger.mode=online, or sirve
sync), and wandb login. Each call makes one more workspace and changes no other.
"""

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any

from sirve.errors import UserError, printable, refusing

RUNS = 50  # shown at once, at most
TIMEOUT = 20  # seconds that the server has for an answer
CURVES = (
    "rollout/model",
    "rollout/persistence",
    "rollout/climatology",
    "rollout/mean_state",
    "rollout/linear",
)
MEDIA = ("rollout_film", "figures/rollout", "figures/error")  # films of fields with two axes only
TABLE = "rollouts"
SCORES = ("score/valid_time_0_4", "score/nrmse_10", "score/parameters", "score/seconds_train")


def workspace(entity: str, project: str, sim: str | None = None) -> Any:
    """Return the workspace of a project, not yet saved.

    ``sim`` is the only system whose runs it shows; None: all.
    """
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    error = {"x": "rollout/horizon", "title_x": "forecast time", "log_y": True}
    error |= {"title_y": "error (standard deviations)"}
    grid = {"mode": "grid", "grid_x_axis": "run", "grid_y_axis": "index"}
    panels = {  # by name and number of columns
        ("Error over forecast time", 2): [
            wr.LinePlot(title="Models", y=[CURVES[0]], **error),
            wr.LinePlot(title="Compared with the baselines", y=[*CURVES], **error),
        ],
        ("Forecasts side by side", 1): [
            wr.MediaBrowser(title=key, media_keys=[key], **grid) for key in MEDIA
        ],
        ("Test rollouts", 1): [wr.WeavePanelSummaryTable(table_name=TABLE)],
        ("Scores", 2): [
            *(wr.BarPlot(title=key, metrics=[key], max_bars_to_show=RUNS) for key in SCORES),
            wr.RunComparer(diff_only=True),
        ],
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"Forecasts of {sim}" if sim else "Forecasts",
        sections=[
            ws.Section(
                name=name,
                panels=within,
                is_open=True,
                layout_settings=ws.SectionLayoutSettings(columns=columns),
            )
            for (name, columns), within in panels.items()
        ],
        settings=ws.WorkspaceSettings(max_runs=RUNS),
        runset_settings=ws.RunsetSettings(
            filters=[ws.Metric("Group") == sim] if sim else [],
            order=[ws.Ordering(ws.Summary(SCORES[0]), ascending=False)],
            pinned_columns=[f"summary:{key}" for key in SCORES],
        ),
        auto_generate_panels=True,  # training curves and whatever else there is, below
    )


def save(target: str, sim: str | None) -> str:
    """Save a workspace in W&B's project ``target``, "entity/project", and return its address.

    UserError where that is impossible; its message never quotes the API key.
    """
    match = re.fullmatch(r"([\w.-]+)/([\w.-]+)", target)
    if not match:
        raise UserError(f"{printable(target)} is no project of W&B; give ENTITY/PROJECT")
    try:
        import wandb
        import wandb_workspaces  # noqa: F401
    except ImportError:
        raise UserError('wandb-workspaces is not installed; pip install ".[dashboard]"') from None
    entity, project = match.groups()
    try:
        _require_project(entity, project)
        return str(workspace(entity, project, sim).save().url)
    except UserError:
        raise
    except Exception as error:  # of any kind; its text is left out, for it may quote what was sent
        raise UserError(
            f"{target}: W&B did not take the workspace ({type(error).__name__}); "
            "may you write to this project?"
        ) from None
    finally:
        wandb.teardown()


def _require_project(entity: str, project: str) -> None:
    api, server = log_in()
    try:
        _ = api.project(project, entity).id  # the server is asked when this is read
    except ValueError:
        raise UserError(
            f"{entity}/{project} is no project of {server} that you may see; correct the name, or "
            "send it a run first: sirve sync"
        ) from None


def log_in() -> tuple[Any, str]:
    """Log in to W&B with the stored API key; return its ``wandb.Api`` and the server's address.

    UserError where there is no key, it is refused, or the server cannot be reached.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nothing to anyone but the server
    import wandb
    from wandb.errors import AuthenticationError

    session = wandb.setup(wandb.Settings(silent=True))
    server = session.settings.base_url.rpartition("@")[2]  # without a password
    try:
        api = wandb.Api(timeout=TIMEOUT) if wandb.login(prompt=False) else None
    except AuthenticationError:
        raise UserError(
            f"{server} was not reached, or refused the API key; check the network and "
            "WANDB_BASE_URL, or renew the key by wandb login --relogin"
        ) from None
    if api is None:
        raise UserError("no API key of W&B; wandb login, or set WANDB_API_KEY")
    return api, server


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``sirve workspace``."""
    assert __doc__
    parser = argparse.ArgumentParser(prog="sirve workspace", description=__doc__.partition("\n")[0])
    parser.add_argument("project", metavar="ENTITY/PROJECT", help="where the runs are")
    parser.add_argument("--sim", help="only the runs of this system")
    options = parser.parse_args(arguments)
    print(save(options.project, options.sim))
