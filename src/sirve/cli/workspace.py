"""Compare the runs of a W&B project: makes a workspace for them there, and prints its address.

sirve workspace ENTITY/PROJECT [--sim lorenz]

Errors over forecast time are overlaid, pictures and films of the forecasts stand side by side, run
by run, and the test rollouts are one table; the list of runs shows the scores, best first. Errors
are comparable within a system: --sim shows its runs only. Needs the extra: pip install
".[dashboard]"; runs that were sent (logger.mode=online, or wandb sync); and wandb login. Each call
makes one more workspace, and changes no other.
"""

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any

from sirve.errors import UserError, refusing, shown

RUNS = 50  # shown at once, at most
TIMEOUT = 20  # seconds that the server has for an answer
CURVES = ("rollout/model", "rollout/persistence", "rollout/climatology", "rollout/linear")
MEDIA = ("rollout_film", "figures/rollout", "figures/error")  # films of fields with two axes only
TABLE = "rollouts"
SCORES = ("score/valid_time_0_4", "score/nrmse_10", "score/parameters", "score/seconds_train")


def workspace(entity: str, project: str, sim: str | None = None) -> Any:
    """The workspace, not saved yet; ``sim`` is the only system whose runs it shows."""
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    error = {"x": "rollout/horizon", "title_x": "forecast time", "log_y": True}
    error |= {"title_y": "error (standard deviations)"}
    grid = {"mode": "grid", "grid_x_axis": "run", "grid_y_axis": "index"}
    panels = {  # by the number of columns they stand in
        ("Error over forecast time", 2): [
            wr.LinePlot(title="Models", y=[CURVES[0]], **error),
            wr.LinePlot(title="Beside the baselines", y=[*CURVES], **error),
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
    """Save it in W&B's project ``target``, "entity/project"; its address.

    UserError, without the API key, where that cannot be.
    """
    match = re.fullmatch(r"([\w.-]+)/([\w.-]+)", target)
    if not match:
        raise UserError(f"{shown(target)} is no project of W&B; give ENTITY/PROJECT")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nothing to anyone but the server
    try:
        import wandb
        import wandb_workspaces  # noqa: F401
    except ImportError:
        raise UserError('wandb-workspaces is not installed; pip install ".[dashboard]"') from None
    wandb.setup(wandb.Settings(silent=True))
    entity, project = match.groups()
    try:
        _require_project(entity, project)
        return str(workspace(entity, project, sim).save().url)
    except UserError:
        raise
    except Exception as error:  # of any kind, and without its words: they may quote what was sent
        raise UserError(
            f"{target}: W&B did not take the workspace ({type(error).__name__}); "
            "may you write to this project?"
        ) from None
    finally:
        wandb.teardown()


def _require_project(entity: str, project: str) -> None:
    import wandb
    from wandb.errors import AuthenticationError

    server = wandb.setup().settings.base_url.rpartition("@")[2]  # without a password
    try:
        known = wandb.login(prompt=False)
        api = wandb.Api(timeout=TIMEOUT) if known else None
    except AuthenticationError:
        raise UserError(
            f"{server} was not reached, or refused the API key; mend the network or "
            "WANDB_BASE_URL, or the key by wandb login --relogin"
        ) from None
    if api is None:
        raise UserError("no API key of W&B; wandb login, or set WANDB_API_KEY")
    try:
        _ = api.project(project, entity).id  # asked for when it is read
    except ValueError:
        raise UserError(
            f"{entity}/{project} is no project of {server} that you may see; mend the name, or "
            "send it a run first: wandb sync"
        ) from None


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("project", metavar="ENTITY/PROJECT", help="where the runs are")
    parser.add_argument("--sim", help="only the runs of this system")
    options = parser.parse_args(arguments)
    print(save(options.project, options.sim))
