"""``sirve workspace``: the panels of the workspace show what a real run tracks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import AIDS, FEW, ROOT, SMALL, Done, inspected, items, quick, run_command
from warm import run_warm

SCRIPT = str(ROOT / "scripts" / "workspace.py")
KEY = "planted0" * 5


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the records of a real offline run of a system whose forecasts are films."""
    folder = tmp_path_factory.mktemp("tracked")
    train = [str(ROOT / "train.py"), "sim=heat", "model=persistence", *SMALL["heat"], *FEW]
    done = run_warm(train, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return inspected(folder)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(AIDS))
    from fake_wandb import Backend

    with Backend(projects=["team/sirve"]) as found:
        yield found


def made(backend: Any, folder: Path, *arguments: str, **env: str) -> Done:
    """Run the command; it never prints the key."""
    env = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": backend.url, "HOME": str(folder)} | env
    done = run_command([SCRIPT, *arguments], folder, env)
    assert "planted" not in done.stdout + done.stderr
    return done


def section(view: dict[str, Any]) -> Any:
    return json.loads(view["spec"])["section"]


def panels(view: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the settings of the panels of a saved workspace, by their kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for part in section(view)["panelBankConfig"]["sections"]:
        for panel in part["panels"]:
            found.setdefault(panel["viewType"], []).append(panel["config"])
    return found


def kinds(records: list[dict[str, Any]]) -> dict[str, str]:
    """Return the kind of each key of a run's history: "number", "image-file", "table-file", …"""
    found: dict[str, str] = {}
    for row in items(records, "history"):
        for key, value in row.items():
            name, _, part = key.partition(".")  # of a file it shows each property
            if part in ("", "_type"):
                found[name] = value if part else "number"
    return found


def test_the_panels_show_what_a_run_tracks(
    backend: Any, tmp_path: Path, tracked: list[dict[str, Any]]
) -> None:
    done = made(backend, tmp_path, "team/sirve")
    assert (done.returncode, done.stderr) == (0, "")
    (view,) = backend.views
    slug = view["name"].removeprefix("nw-").removesuffix("-v")
    assert done.stdout == f"{backend.url}/team/sirve?nw={slug}\n"
    assert (view["entityName"], view["projectName"]) == ("team", "sirve")
    shown, history = panels(view), kinds(tracked)

    lines = shown["Run History Line Plot"]
    drawn = {key for line in lines for key in line["metrics"]}
    assert {line["xAxis"] for line in lines} == {"rollout/horizon"}
    assert drawn | {"rollout/horizon"} == {key for key in history if key.startswith("rollout/")}
    for row in items(tracked, "history"):
        assert "rollout/horizon" in row or not drawn & row.keys()

    media = [key for grid in shown["Media Browser"] for key in grid["mediaKeys"]]
    assert [history[key] for key in media] == ["video-file", "image-file", "image-file"]
    for grid in shown["Media Browser"]:
        assert (grid["mode"], grid["gridSettings"]["xAxis"]) == ("grid", "run")

    (table,) = shown["Weave"]
    picked = table["panel2Config"]["exp"]["fromOp"]["inputs"]["key"]["val"]
    assert history[picked] == "table-file"

    runs = section(view)["runSets"][0]
    sorted_by = [key["key"]["name"] for key in runs["sort"]["keys"]]
    columns = [c.removeprefix("summary:") for c in runs["runFeed"]["columnOrder"][1:]]
    bars = [key for bar in shown["Bar Chart"] for key in bar["metrics"]]
    updates = [r["summary"].get("update", {}) for r in tracked if r["type"] == "summary"]
    summary = {key for update in updates for key in update}
    assert {*sorted_by, *columns, *bars} <= summary


def test_only_one_system(backend: Any, tmp_path: Path) -> None:
    done = made(backend, tmp_path, "team/sirve", "--sim", "heat")
    assert done.returncode == 0, done.stderr
    (view,) = backend.views
    (only,) = section(view)["runSets"][0]["filters"]["filters"]
    assert (only["key"]["name"], only["op"], only["value"]) == ("group", "=", "heat")
    assert view["displayName"] == "Forecasts of heat"


NOBODY = {"WANDB_BASE_URL": "http://me:planted-word@127.0.0.1:9"}
REFUSED = [
    ("sirve", {}, "'sirve' is no project of W&B; give ENTITY/PROJECT"),
    ("team/other", {}, "team/other is no project of http://127.0.0.1:"),
    ("team/sirve", {"WANDB_API_KEY": "planted"}, "refused the API key"),
    ("team/sirve", {"WANDB_API_KEY": ""}, "no API key of W&B; wandb login"),
    ("team/sirve/x", {}, "give ENTITY/PROJECT"),
    ("team/sirve", NOBODY, "127.0.0.1:9 was not reached, or refused the API key"),
]


@pytest.mark.parametrize(("target", "env", "words"), quick(REFUSED, *REFUSED[:3]))
def test_a_refusal_is_one_line(
    backend: Any, tmp_path: Path, target: str, env: dict[str, str], words: str
) -> None:
    done = made(backend, tmp_path, target, **env)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not backend.views


def test_a_failure_of_the_server_is_one_line(backend: Any, tmp_path: Path) -> None:
    backend.refuses = "UpsertView"
    done = made(backend, tmp_path, "team/sirve")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("team/sirve: W&B did not take the workspace (")
    assert done.stderr.count("\n") == 1


def test_a_missing_package_is_named_with_its_install_command(tmp_path: Path) -> None:
    hide = f"import sys; sys.argv = [{SCRIPT!r}, 'team/sirve']; sys.modules['wandb_workspaces'] = "
    run = "None; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = run_command(["-c", hide + run], tmp_path)
    assert done.returncode == 2
    assert done.stderr == 'wandb-workspaces is not installed; pip install ".[dashboard]"\n'
