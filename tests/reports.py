"""Synthetic finished runs, hostile ones too, and checks of every page made from them."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image
from plotly.offline import get_plotlyjs

SHAPES = {"vector": (3,), "field": (2, 16), "frame": (2, 8, 6)}
DT, UNIT = 0.1, 0.5


def make_run(
    folder: Path, kind: str = "vector", n: int = 5, steps: int = 60, **changes: Any
) -> Path:
    """Make a synthetic run; ``changes`` replace entries of metrics.json."""
    folder.mkdir(parents=True)
    shape = SHAPES.get(kind, (1,))
    rng = np.random.default_rng(int(changes.get("seed", 0)))
    phase = np.linspace(0, 3, int(np.prod(shape))).reshape(shape)
    time = DT * np.arange(-2, steps + 1).reshape(-1, *[1] * len(shape))
    starts = np.arange(n).reshape(-1, *[1] * (1 + len(shape)))
    states = np.sin(time + phase + starts)
    truth, context = states[:, 3:], states[:, :3]
    growth = 1e-3 * np.exp(np.linspace(0, 8, steps)).reshape(-1, *[1] * len(shape))
    prediction = truth + growth * rng.normal(size=truth.shape)
    if n > 2 and steps > 20:
        prediction[1, 20:], prediction[2, 15:], prediction[0, 40:] = np.nan, np.inf, 1e36
    std = np.full(shape[0], 0.7)
    with np.errstate(all="ignore"):
        squares = (((prediction - truth) / 0.7) ** 2).reshape(n, steps, -1)
        error = np.sqrt(squares.mean(-1))
    write_rollouts(folder, truth, prediction, context, std, error, changes)
    content = metrics_of(kind, steps, shape, error) | changes
    (folder / "metrics.json").write_text(json.dumps(content))
    (folder / "config.yaml").write_text(f"model:\n  lr: 0.1\nseed: {content['seed']}\n")
    lines = [{"step": s, "train/loss": 1 / s, "train/lr": 0.1} for s in range(1, 30)]
    lines += [{"step": s, "valid/log_error": -s / 30, "valid/valid_time": s / 10} for s in (10, 20)]
    text = "\n".join(map(json.dumps, lines)) + '\n{"step": 30, "tr'  # cut off
    (folder / "metrics.jsonl").write_text(text)
    return folder


def write_rollouts(
    folder: Path,
    truth: np.ndarray,
    prediction: np.ndarray,
    context: np.ndarray,
    std: np.ndarray,
    error: np.ndarray,
    changes: dict[str, Any],
) -> None:
    n, steps = truth.shape[:2]
    drift = np.linspace(0, 1, steps + 1) * np.ones((n, 1))
    drift[0, -1] = np.nan
    with h5py.File(folder / "rollouts.h5", "w") as file, np.errstate(all="ignore"):
        file.attrs.update(dt=DT, unit=UNIT, time_unit="period", std=std)
        file["time"] = DT * np.arange(1, steps + 1)
        for name, x in (("truth", truth), ("prediction", prediction), ("context", context)):
            file[name] = x.astype("f4")
        file["error/model"] = error.astype("f4")
        file["error/persistence"] = np.ones((n, steps), "f4")
        file[f"error/{changes.get('baseline', 'linear')}"] = np.full((n, steps), np.inf, "f4")
        file[f"invariants/{changes.get('invariant', 'energy')}/truth"] = np.ones((n, steps + 1))
        file[f"invariants/{changes.get('invariant', 'energy')}/prediction"] = 1 + drift


def metrics_of(kind: str, steps: int, shape: tuple[int, ...], error: np.ndarray) -> dict[str, Any]:
    """Return metrics.json of a normal run, with numbers that a test can find again."""
    length = steps * DT / UNIT
    valid = {"median": 6.123, "mean": 6.0, "low": 5.611, "high": 6.514, "censored": 1}
    other = {"median": 0.108, "mean": 0.1, "low": 0.1, "high": 0.2, "censored": 0}
    whole = {"median": length, "mean": length, "low": length, "high": length, "censored": 5}

    def scores(valid_time: dict[str, Any]) -> dict[str, Any]:
        found = {"nrmse": {"1": 0.00123, "10": None}, "median_error": {"1": 0.5, "10": 1e9}}
        levels = dict.fromkeys(("0.3", "0.4", "0.5", "0.9"), valid_time)
        return found | {"valid_time": levels, "invariants": {"energy": None}, "diverged": 0.2}

    return {
        "sim": "waves",
        "model": "lstm",
        "seed": 0,
        "data_seed": 0,
        "parameters": 12345,
        "dt": DT,
        "context": 3,
        "steps": steps,
        "time_unit": "period",
        "unit": UNIT,
        "channels": [{"name": f"q{i}", "unit": "m"} for i in range(shape[0])],
        "scores": {"model": scores(valid), "persistence": scores(other), "linear": scores(whole)},
        "seconds": {"simulate": 1.5, "train": 61.0, "forecast_per_step": None},
        "one_step": 0.01,
    }


class Tags(HTMLParser):
    """Elements and attributes of a page, without Plotly's code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page.replace(get_plotlyjs(), ""))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs


def assert_self_contained(path: Path) -> str:
    page = path.read_text("utf-8")
    assert page.count(get_plotlyjs()) == 1
    assert "default-src 'none'" in page
    own = page.replace(get_plotlyjs(), "")
    assert not re.search(r"""(src|href|action|data)\s*=\s*["']?\s*(https?:)?//""", own, re.I)
    assert not re.search(r"url\(\s*[\"']?\s*(https?:)?//|@import", own, re.I)
    tags = Tags(page)
    assert not {"img", "iframe", "link", "object", "embed", "base"} & set(tags.names)
    assert not [name for name, _ in tags.attributes if name in ("src", "href") or name[:2] == "on"]
    return own


def assert_images(folder: Path, names: set[str]) -> None:
    assert {p.name for p in folder.iterdir()} == {f"{name}.png" for name in names}
    for path in folder.iterdir():
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert min(image.size) > 200
            assert len(image.convert("RGB").resize((200, 200)).getcolors(40000)) > 20, path.name


def hostile(folder: Path, kind: str) -> Path:
    evil = "<script>alert(1)</script>"
    run = make_run(
        folder,
        kind,
        sim=f"{evil}$x^{{",
        model='"><img src=x onerror=alert(2)>',
        time_unit="</title><script>alert(3)",
        channels=[{"name": "</script><img src=x onerror=alert(4)>", "unit": "$\\frac$"}] * 3,
        invariant="<img src=x onerror=alert(5)>",
        baseline="<img src=x onerror=alert(6)>",
        seed=0,
    )
    content = json.loads((run / "metrics.json").read_text())
    content["scores"]["model"]["nrmse"]["<script>alert(7)"] = 1.0
    content["scores"]["model"]["invariants"] = {evil: 1.0}
    (run / "metrics.json").write_text(json.dumps(content))
    (run / "config.yaml").write_text(f"model: {evil}\nother: !!python/object:os.system [1]\n")
    return run
