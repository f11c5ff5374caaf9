"""``sirve evaluate RUN limit=true``: what it writes, prints and refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from support import FEW, SMALL, Command

from scripts.study import limit as study
from sirve.cli import evaluate
from sirve.cli.limit_words import split_words
from sirve.errors import UserError
from sirve.limit import Limit
from sirve.pipeline.limit import Options

pytestmark = pytest.mark.usefixtures("blank_reports_in_module")


def test_a_run_gets_its_limit(
    command: Command,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["sim=heat", *SMALL["heat"], *FEW, "logger=none", "runs=runs"]
    drawn = "sim.system.diffusivity={uniform: [0.3, 0.7]}"
    done = command("model=persistence", "observe.noise=0.3", drawn, *small)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("runs/*/*")
    words = ["limit=true", "limit.frames=[1,4]", "limit.starts=2"]
    assert evaluate.main([str(folder), *words]) == 0
    printed = capfd.readouterr().out
    assert "limit/nrmse/4/10" in printed and "effective_memory/10" in printed
    found = json.loads((folder / "limit.json").read_text())
    assert json.loads((folder / "metrics.json").read_text())["limit"] == found
    limit = Limit.read(folder / "limit.h5")
    assert limit.error.shape == (2, 2, 30) and limit.frames.tolist() == [1, 4]
    assert found["nrmse"]["4"]["1"] < found["nrmse"]["1"]["1"] < 0.3
    assert found["effective_memory"]["1"] == 1.0  # persistence repeats the noise of one state
    assert len(list(tmp_path.glob("data/limits/*.h5"))) == 1
    assert evaluate.main([str(folder), *words[:2], "limit.starts=2"]) == 0
    assert len(list(tmp_path.glob("data/limits/*.h5"))) == 1
    assert study.main([str(folder), "--starts", "2", "--figure", str(tmp_path / "a.png")]) == 0
    assert "effective memory of persistence" in capfd.readouterr().out


def test_measured_data_are_refused_in_one_line(
    tmp_path: Path, command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(12, 40, 2)))
    done = command(
        "sim=file",
        "sim.path=x.npy",
        "sim.dt=0.1",
        "sim.context=4",
        "model=persistence",
        "fit=gradient",
        "logger=none",
        "runs=runs",
        "inside=false",
    )
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("runs/*/*")
    assert evaluate.main([str(folder), "limit=true"]) == 2
    error = capfd.readouterr().err.strip()
    assert "was not simulated, so its equations are unknown; give a finished run" in error


REFUSED = {
    "limit=maybe": "must be limit=true or limit=false",
    "limit.stars=3": "did you mean 'limit.starts'",
    "limit.starts=0": "limit.starts=0 must be a whole number, at least 1",
    "limit.members=-1": "limit.members=-1 must be a whole number",
    "limit.frames=8": "must be a list of numbers",
    "limit.frames=[0]": "limit.frames=0 must be a whole number",
}


@pytest.mark.parametrize("word", REFUSED)
def test_a_wrong_word_is_refused(word: str) -> None:
    with pytest.raises(UserError, match=REFUSED[word]):
        split_words([Path("runs"), Path("limit=true"), Path(word)])


def test_words_are_taken_out_of_the_files() -> None:
    assert split_words([Path("a=b.h5")]) == ([Path("a=b.h5")], None)
    assert split_words([Path("a"), Path("limit=false")]) == ([Path("a")], None)
    files, options = split_words([Path("limit=true"), Path("a"), Path("limit.frames=[1,2]")])
    assert files == [Path("a")] and options == Options(frames=[1, 2])
