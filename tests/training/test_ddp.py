"""Two DDP ranks (gloo, CPU) are one rank with the same global batch."""

import json
from pathlib import Path

import pytest
import torch
from support import FEW, SMALL, TWO, Command

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.rglob("last.ckpt")
    state = torch.load(path, weights_only=True)["state_dict"]
    return {key: value for key, value in state.items() if key.startswith("core.")}


PAIRS = [("lorenz", "gru"), pytest.param("heat", "convlstm", marks=pytest.mark.slow)]


@pytest.mark.parametrize(("sim", "model"), PAIRS)
def test_two_ranks_equal_one(process: Command, tmp_path: Path, sim: str, model: str) -> None:
    common = [
        f"sim={sim}",
        f"model={model}",
        "logger=none",
        *SMALL[sim],
        *FEW,
        "trainer.updates=20",
    ]
    # SOAP divides by second moments that start at nothing: AdamW keeps rounding small
    common += ["optimizer=adamw", "optimizer.lr=1e-3"]
    one = process(*common, "runs=one")
    two = process(*common, *TWO, "runs=two")
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    a, b = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert max(float((a[key] - b[key]).abs().max()) for key in a) <= 1e-6
    assert any(float(a[key].abs().max()) > 0 for key in a if "readout" in key)
    records = []
    for name in ("one", "two"):
        (path,) = (tmp_path / name).rglob("metrics.jsonl")  # one run folder, one writer
        records.append([json.loads(line) for line in path.read_text().splitlines()])
    assert [row["step"] for row in records[0]] == [row["step"] for row in records[1]]
    (scores,) = (tmp_path / "two").rglob("metrics.json")
    assert json.loads(scores.read_text())["scores"]["model"]["diverged"] == 0


@pytest.mark.slow
def test_a_sweep_of_two_ranks_trains_each_run_once(process: Command, tmp_path: Path) -> None:
    small = ["sim=lorenz", "logger=none", *SMALL["lorenz"], *FEW]
    done = process("-m", "model=rnn,gru", *small, *TWO)
    assert done.returncode == 0, done.stderr
    for model in ("rnn", "gru"):
        (run,) = (tmp_path / "runs" / f"lorenz-{model}").iterdir()
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows if "train/loss" in row] == [3, 6, 9, 12]
        assert (run / "report.html").exists()
