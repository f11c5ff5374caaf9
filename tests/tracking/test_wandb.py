"""W&B for real, offline: what a run tracks, read back by W&B's own reader; and its failures."""

import json
from collections import Counter
from pathlib import Path

import av
import pytest
import torch
from support import FEW, SMALL, Command, inspected, items

HELD = [("lorenz", "gru"), pytest.param("heat", "convgru", marks=pytest.mark.slow)]


@pytest.mark.parametrize(("sim", "model"), HELD)
def test_an_offline_run_holds_everything(
    process: Command, tmp_path: Path, sim: str, model: str
) -> None:
    done = process(f"sim={sim}", f"model={model}", *SMALL[sim], *FEW)
    assert done.returncode == 0, done.stderr
    assert "wandb leet" in done.stdout
    records = inspected(tmp_path)
    text = json.dumps(records)
    rows = items(records, "history")
    keys = Counter(key for row in rows for key in row)
    steps = SMALL[sim][1].partition("=")[2]
    assert keys["train/loss"] == 4
    assert keys["valid/log_error"] == 2
    assert keys["rollout/model"] == keys["rollout/persistence"] == int(steps)
    assert min(row["rollout/horizon"] for row in rows if "rollout/model" in row) > 0
    assert any(key.startswith("rollouts") for key in keys), keys  # the table
    assert "table-file" in text
    assert "image-file" in text
    assert ("video-file" in text) == (sim == "heat")
    for word in ("sirve.cores", "score/valid_time_0_4", "score/nrmse_10", "figures/error"):
        assert word in text
    assert "error" not in done.stderr.lower()


@pytest.mark.slow
def test_films_play(process: Command, tmp_path: Path) -> None:
    done = process("sim=heat", "model=persistence", *SMALL["heat"], *FEW)
    assert done.returncode == 0, done.stderr
    films = list(tmp_path.glob("runs/*/*/figures/rollouts/*.mp4"))
    assert len(films) == 4
    with av.open(str(films[0])) as film:
        frames = list(film.decode(video=0))
    assert len(frames) == 30
    assert frames[0].width == 3 * frames[0].height


@pytest.mark.slow
def test_a_sweep_is_one_wandb_run_each(process: Command, tmp_path: Path) -> None:
    done = process("-m", "model=rnn,linear", *SMALL["lorenz"], *FEW)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.rglob("run-*.wandb"))) == 2


def final_weights(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.rglob("last.ckpt")
    return dict(torch.load(path, weights_only=True)["state_dict"])


@pytest.mark.slow
def test_nothing_depends_on_wandb(process: Command, tmp_path: Path) -> None:
    """Without it, and where it cannot start: the same bits, and one warning."""
    broken = tmp_path / "broken" / "wandb"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no wandb here')")
    common = [*SMALL["lorenz"], *FEW]
    with_it = process(*common, "runs=with")
    without = process(*common, "runs=without", "logger=none")
    failing = process(*common, "runs=failing", env={"PYTHONPATH": str(broken.parent)})
    for done in (with_it, without, failing):
        assert done.returncode == 0, done.stderr
    assert failing.stderr.count("W&B stopped tracking (ImportError: no wandb here)") == 1
    names = ("with", "without", "failing")
    a, b, c = (final_weights(tmp_path / name) for name in names)
    assert all(torch.equal(a[key], b[key]) and torch.equal(a[key], c[key]) for key in a)
    records = [next((tmp_path / n).rglob("metrics.jsonl")).read_text() for n in names]
    assert records[0] == records[1] == records[2]


def test_an_unknown_mode_is_refused(command: Command) -> None:
    done = command("logger.mode=sometimes")
    assert done.returncode == 2
    assert 'mode="sometimes" is unknown: take "offline", "online", or logger=none' in done.stderr
