"""The report of a run and the comparison of several, from files alone."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from html import unescape
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from plotly.offline import get_plotlyjs

from sirve.report import RunError, load_run, write_report
from sirve.report.compare import grouped, markdown
from sirve.report.compare_page import write_comparison
from sirve.report.frames import json_text
from sirve.report.page import report_page
from sirve.report.stats import (
    Curve,
    drift_curves,
    early,
    error_range,
    pick,
    pooled,
    quartiles,
    thin,
)
from sirve.report.style import MISSING, count, digits, duration, moments, units

ROOT = Path(__file__).resolve().parents[1]
SHAPES = {"vector": (3,), "field": (2, 16), "frame": (2, 8, 6)}
DT, UNIT = 0.1, 0.5
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def make_run(
    folder: Path, kind: str = "vector", n: int = 5, steps: int = 60, **changes: Any
) -> Path:
    """A synthetic run; ``changes`` replace entries of metrics.json, None removes whole files."""
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
    content = head(kind, steps, shape, error) | changes
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


def head(kind: str, steps: int, shape: tuple[int, ...], error: np.ndarray) -> dict[str, Any]:
    """metrics.json of a healthy run, with numbers that a test can find again."""
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
    """The elements of a page, apart from Plotly's code, and what they would load or run."""

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


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("vector", {"error", "rollout", "phase", "invariants", "training"}),
        ("field", {"error", "rollout", "invariants", "training"}),
        ("frame", {"error", "rollout", "invariants", "training"}),
    ],
)
def test_report_of_every_kind(tmp_path: Path, kind: str, figures: set[str]) -> None:
    run = make_run(tmp_path / "run", kind)
    path = write_report(run)
    assert path == run / "report.html"
    page = assert_self_contained(path)
    assert "<h1>waves · lstm</h1>" in page
    for words in ("6.12 periods", "median of 5 forecasts", "5.61 to 6.51", "persistence 0.108"):
        assert words in page
    assert "linear at least 12.0" in page
    assert "1 of 5 never passed that error" in page
    assert "20.0 % diverged" in page
    assert "12\u202f345" in page
    assert ("Phase portrait" in page) == (kind == "vector")
    assert "lr: 0.1" in page
    assert path.stat().st_size < 12e6
    assert_images(run / "figures", figures)
    assert not list(run.rglob("*.tmp"))


@pytest.mark.parametrize("kind", ["vector", "field", "frame", "scalar"])
def test_smallest_run_without_scores_training_or_invariants(tmp_path: Path, kind: str) -> None:
    keys = ("scores", "seconds", "one_step", "parameters", "channels", "dt", "unit", "time_unit")
    run = make_run(tmp_path / "run", kind, n=1, steps=2, **dict.fromkeys(keys))
    (run / "metrics.jsonl").unlink()
    (run / "config.yaml").unlink()
    with h5py.File(run / "rollouts.h5", "a") as file:
        del file["invariants"], file["error/linear"]
    page = assert_self_contained(write_report(run))
    assert "was not recorded" in page
    assert "<h2>Training" not in page
    assert "stay constant" not in page
    phase = {"phase"} if kind == "vector" else set()
    assert_images(run / "figures", {"error", "rollout"} | phase)


@pytest.mark.parametrize("kind", ["vector", "field", "frame"])
def test_nothing_finite_is_predicted(tmp_path: Path, kind: str) -> None:
    run = make_run(tmp_path / "run", kind, n=2, steps=4)
    with h5py.File(run / "rollouts.h5", "a") as file:
        file["prediction"][:] = np.nan
        file["error/model"][:] = np.nan
        file["invariants/energy/prediction"][:] = np.inf
    assert_self_contained(write_report(run))


def test_an_invariant_of_zero_does_not_set_the_scale_by_its_rounding(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", "field")
    with h5py.File(path / "rollouts.h5", "a") as file:
        file["invariants/energy/truth"][:] = 1e-9
        file["error/model"][:] = np.linspace(0, 6, 60)
    model, _, limit = drift_curves(load_run(path), "energy")
    assert limit == pytest.approx(0.5)  # as far as the forecasts are near the truth
    assert np.nanmax(model.high) == pytest.approx(1.0)


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


LEVEL = {"median": 5.0, "mean": 5.1, "low": 4.0, "high": 6.0, "censored": 0}
UNSEEN = LEVEL | {"median": 18.0, "low": 18.0, "high": 18.0, "censored": 9}
EXPONENTS = {"value": [0.9056, 0.0], "error": [0.012, 0.01]}


@pytest.mark.parametrize(
    ("limits", "words", "line"),
    [
        (
            {"exponents": EXPONENTS, "twin": "LSODA", "ceiling": {"0.4": LEVEL}},
            ["5.00 periods (against LSODA)", "0.906 ± 0.01", "agrees with itself for 5.00 only"],
            True,
        ),
        ({"twin": "LSODA", "ceiling": {"0.4": UNSEEN}}, ["beyond what was looked at"], False),
        ({"twin": None, "ceiling": None}, ["none: the solution is exact"], False),
        ({"twin": 3, "ceiling": [1], "exponents": {"value": "x"}}, [], False),
        ([1], [], False),
    ],
)
def test_no_forecast_is_praised_beyond_the_ceiling(
    tmp_path: Path, limits: Any, words: list[str], line: bool
) -> None:
    """The run holds for 6.12 periods."""
    run = make_run(tmp_path / "run", limits=limits)
    page = write_report(run).read_text()
    for word in words:
        assert word in page
    assert ("solver's own ceiling\"" in page.replace("\\u0027", "'")) == line
    assert ("only: what holds longer" in page) == line
    assert (load_run(run).ceiling == 5.0) == line


@pytest.fixture(scope="module", params=["vector", "field", "frame"])
def evil(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run whose every string is an attack."""
    return write_report(hostile(tmp_path_factory.mktemp("evil") / request.param, request.param))


def test_hostile_strings_are_escaped(evil: Path) -> None:
    page = assert_self_contained(evil)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\\u003cimg" not in page  # Plotly itself reads mark-up in names
    tags = Tags(page)
    data = tags.attributes.count(("type", "application/json"))
    assert tags.names.count("script") == data + 2  # Plotly and page.js


@pytest.mark.parametrize("kind", ["vector", "frame"])
def test_hostile_strings_are_escaped_in_a_comparison(tmp_path: Path, kind: str) -> None:
    runs = []
    for i in range(2):
        run = hostile(tmp_path / str(i), kind)
        content = json.loads((run / "metrics.json").read_text())
        content["seed"] = f"</script><script>alert({i})</script>"
        (run / "metrics.json").write_text(json.dumps(content))
        (run / "config.yaml").write_text(f"model: {{a: '</script><img src=x onerror=alert({i})>'}}")
        runs.append(load_run(run))
    page = assert_self_contained(write_comparison(runs, tmp_path / "compare.html"))
    assert "<script>alert" not in page
    assert "<img" not in page
    tags = Tags(page)
    data = tags.attributes.count(("type", "application/json"))
    assert tags.names.count("script") == data + 2
    if CHROMIUM is not None:  # the page sets names as text, and escapes what Plotly is given
        document = in_browser(tmp_path / "compare.html", tmp_path, COMPARED)
        assert "data-errors" not in document[: document.index("<head>")]
        assert "<img" not in document.replace(get_plotlyjs(), "")
    assert "<script" not in markdown(runs).replace("\\<", "")


@pytest.mark.parametrize("value", ["<b>", 10**400, {"a": [1]}, True])
def test_wrong_types_in_a_record_do_not_stop_a_report(tmp_path: Path, value: Any) -> None:
    run = make_run(tmp_path / "run", n=2, steps=5)
    content = json.loads((run / "metrics.json").read_text())
    scores = {name: dict.fromkeys(found, value) for name, found in content["scores"].items()}
    for changed in (dict.fromkeys(content, value), content | {"scores": scores}):
        (run / "metrics.json").write_text(json.dumps(changed))
        report_page(load_run(run))
        markdown([load_run(run)])


def test_missing_and_broken_runs(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere.*metrics.json is missing"):
        load_run(tmp_path / "nowhere")
    run = make_run(tmp_path / "run")
    (run / "metrics.json").write_text("[1]")
    with pytest.raises(RunError, match="it holds no object"):
        load_run(run)
    (run / "metrics.json").write_text("{}")
    with h5py.File(run / "rollouts.h5", "a") as file:
        del file["error/model"]
    with pytest.raises(RunError, match="holds no error/model"):
        load_run(run)
    (run / "rollouts.h5").write_text("no HDF5")
    with pytest.raises(RunError, match="is not readable"):
        load_run(run)


# -- small parts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, MISSING),
        (float("nan"), MISSING),
        (float("inf"), MISSING),
        (True, MISSING),
        ("7", MISSING),
        (0, "0"),
        (1, "1.00"),
        (0.05432, "0.0543"),
        (9.999, "10.0"),
        (123.4, "123"),
        (99999, "100000"),
        (0.000123, "1.23e-4"),
        (-1234567, "-1.23e6"),
    ],
)
def test_digits(value: Any, text: str) -> None:
    assert digits(value) == text


def test_words_for_numbers() -> None:
    assert count(1234567) == "1\u202f234\u202f567"
    assert [duration(x) for x in (2e-6, 0.0021, 61, 7199, 7200, None)] == [
        "2.00 µs", "2.10 ms", "61.0 s", "120 min", "2.00 h", MISSING,
    ]  # fmt: skip
    assert units("lyapunov time") == "Lyapunov times"
    assert units("period", 1) == "period"
    assert units(None) == "steps"
    assert moments([1.0, 20.0]) == ["1", "20"]
    assert moments([0.5, 1.0]) == ["0.500", "1.00"]


def test_quartiles_take_nan_as_infinite() -> None:
    values = np.array([[1.0, np.nan], [2.0, 4.0], [3.0, np.inf], [np.nan, 5.0]])
    low, middle, high = quartiles(values)
    np.testing.assert_array_equal(low, [1.0, 4.0])
    np.testing.assert_array_equal(middle, [2.5, np.inf])
    np.testing.assert_array_equal(high, [np.inf, np.inf])


def test_choice_of_steps() -> None:
    for choose in (thin, early):
        assert choose(1, 40).tolist() == [0]
        assert choose(5, 40).tolist() == [0, 1, 2, 3, 4]
        chosen = choose(500, 40)
        assert (chosen[0], chosen[-1]) == (0, 499)
        assert len(chosen) <= 40
        assert (np.diff(chosen) > 0).all()
    assert (early(500, 40) < 125).sum() > (thin(500, 40) < 125).sum()


def test_axis_of_errors_without_any_number() -> None:
    gap = np.full(3, np.nan)
    low, high = error_range([Curve("x", gap, gap, gap, gap, "#000000")])
    assert 0 < low < 0.4 < high


def test_forecasts_shown_are_best_median_and_worst(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", n=5, steps=60)
    error = np.full((5, 60), 0.1)
    for i, crossing in enumerate((30, 10, 60, 50, 20)):
        error[i, crossing:] = 1.0
    with h5py.File(run / "rollouts.h5", "a") as file:
        file["error/model"][:] = error
    best, others = {}, pick(load_run(run))
    for chosen in others:
        best[chosen.label.split(":")[0]] = (chosen.index, chosen.valid, chosen.censored)
    assert best["Median"] == (0, pytest.approx(6.0), False)
    assert best["Best"] == (2, pytest.approx(12.0), True)
    assert best["Worst"] == (1, pytest.approx(2.0), False)
    assert len({chosen.index for chosen in others}) == 5


def test_pooled_interval_covers_seeds_and_starts() -> None:
    rng = np.random.default_rng(1)
    starts = rng.normal(size=50)
    alike = [starts + 5, starts + 5]
    apart = [starts + 4, starts + 6]
    for tables in (alike, apart):
        median, low, high = pooled(tables)
        assert low <= median <= high
    _, low, high = pooled(alike)
    _, lower, higher = pooled(apart)
    assert higher - lower > 2 * (high - low)
    assert pooled([np.array([3.0])]) == (3.0, 3.0, 3.0)
    assert pooled([np.array([1.0]), np.array([1.0, 1.0])]) == (1.0, 1.0, 1.0)


def test_json_text_cannot_leave_its_script() -> None:
    evil = {"a": "</script><!--&"}
    assert not set("<>&") & set(json_text(evil))
    assert json.loads(json_text(evil)) == evil


# -- comparison ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = spec_from_file_location("compare_script", ROOT / "scripts" / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def several(folder: Path) -> Path:
    for seed in (0, 1):
        make_run(folder / "a" / f"seed{seed}", seed=seed)
        make_run(folder / "c" / f"seed{seed}", seed=seed, model="rnn", steps=200)
        make_run(folder / "fields" / f"seed{seed}", "field", sim="ks", seed=seed)
    make_run(folder / "b", model="gru|x")
    make_run(folder / "frames", "frame", sim="heat", steps=30)
    make_run(folder / "frames2", "frame", sim="heat", steps=30, model="convgru", seed=3)
    make_run(folder / "frames3", "frame", sim="heat", steps=30, model="linear")
    make_run(folder / "other", steps=50, model="esn", data_seed=1)
    make_run(folder / "field", "field", sim="ks", model="convgru")
    return folder


@pytest.fixture(scope="module")
def comparison(compare: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The page and the table of twelve runs."""
    folder = several(tmp_path_factory.mktemp("compare") / "runs")
    out, table = folder.parent / "compare.html", io.StringIO()
    with redirect_stdout(table):
        arguments = [str(folder), str(folder / "b"), "--out", str(out), "--markdown"]
        assert compare.main(arguments) == 0
    return out, table.getvalue()


def test_comparison(comparison: tuple[Path, str]) -> None:
    out, table = comparison
    page = assert_self_contained(out)
    assert "12 runs compared" in page
    assert out.stat().st_size < 20e6
    rows = table.splitlines()
    assert rows[0].startswith("| sim | model | seeds | valid time at 0.4 (median [low, high])")
    assert len(rows) == 2 + 9  # seeds are merged
    lstm = next(row for row in rows if "| lstm | 2 |" in row)
    time = r"\d[\d.]* \[\d[\d.]*, \d[\d.]*\] periods"
    assert re.search(rf"\| {time} \| 0.00123 \| {MISSING} \| {MISSING} \| 61.0 \|", lstm)
    assert any(r"gru\|x" in row for row in rows)


def test_runs_that_differ_in_more_than_the_seed(tmp_path: Path) -> None:
    runs = []
    for i, rate in enumerate((0.1, 0.2)):
        run = make_run(tmp_path / f"run{i}", seed=i)
        (run / "config.yaml").write_text(f"model: {{lr: {rate}, hidden: 8}}\nseed: {i}\n")
        runs.append(load_run(run))
    assert [group.label for group in grouped(runs)] == ["lstm model.lr=0.1", "lstm model.lr=0.2"]
    assert markdown(runs[:1]).count("\n") == 3


def test_comparison_of_no_run(
    compare: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, reason in ((tmp_path / "none", "is no folder"), (tmp_path, "holds no metrics.json")):
        assert compare.main([str(path)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"{path}: {reason}; give" in error


def test_report_imports_no_framework() -> None:
    banned = ("torch", "lightning", "pytorch_lightning", "hydra", "wandb", "simulators")
    code = "import sirve.report, sirve.report.compare_page, sys; "
    code += f"print([m for m in {banned} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert result.stdout.strip() == "[]"


# -- in a browser --------------------------------------------------------------------------------

CHOOSE = """
<script>
const select = document.querySelector("select");
select.value = "1";
select.dispatchEvent(new Event("change"));
document.querySelectorAll(".controls button").forEach((b) => { b.click(); b.click(); });
const wrong = [...document.querySelectorAll(".forecasts .plot")].flatMap((plot) =>
  (plot.data || []).filter((t) => t.meta && t.visible !== (t.meta.forecast === 1)));
document.documentElement.dataset.chosen = String(wrong.length);
</script></body>"""


# A reader of the comparison, who writes down what is there after each thing done.
COMPARED = """
<script>
(async () => {
  const wait = () => new Promise((done) => setTimeout(done, 400));
  const all = (query) => [...document.querySelectorAll(query)];
  const change = async (id, value) => {
    document.getElementById(id).value = value;
    document.getElementById(id).dispatchEvent(new Event("change"));
    await wait();
  };
  const pixels = () => all("#views canvas").map((canvas) => canvas.toDataURL()).join();
  const heads = () => all("#table tbody tr:not(.seed) td:first-child");
  const names = () => heads().map((cell) => cell.textContent.trim());
  const click = async (node) => { node.click(); await wait(); };
  const seen = [];
  for (const option of all("#system option")) {
    await change("system", option.value);
    const one = { title: document.getElementById("scores").textContent, rows: names() };
    one.curves = document.getElementById("error").data.length;
    one.before = pixels().length;
    const first = pixels();
    await change("start", 1);
    one.start = pixels() !== first;
    const stopped = pixels();
    await click(document.getElementById("play"));
    one.played = pixels() !== stopped;
    await click(document.getElementById("play"));
    await click(all("#table th button")[0]);
    one.ascending = names();
    await click(all("#table th button")[0]);
    one.descending = names();
    await click(all("#models input")[0]);
    one.fewer = names();
    one.panels = all("#views figcaption").map((caption) => caption.textContent.trim());
    seen.push(one);
  }
  document.documentElement.dataset.seen = JSON.stringify(seen);
})();
</script></body>"""


def in_browser(page: Path, folder: Path, script: str = CHOOSE) -> str:
    """The document after its scripts, and then ``script``, ran."""
    assert CHROMIUM is not None
    copy = folder / "page.html"
    copy.write_text(page.read_text("utf-8").replace("</body>", script), "utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"]
    flags += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-extensions"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=30000"]
    command = [CHROMIUM, *flags, "--enable-logging=stderr", "--dump-dom", copy.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if re.search("Uncaught|Refused|Error|violates", line)]
    return result.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("evil", ["vector", "frame"], indirect=True)
def test_page_in_a_browser(tmp_path: Path, evil: Path) -> None:
    document = in_browser(evil, tmp_path)
    root = document[: document.index("<head>")]
    assert "data-errors" not in root
    assert 'data-chosen="0"' in root
    drawn = {"vector": 5, "frame": 4}[evil.parent.name]
    assert f'data-ready="{drawn}"' in root
    assert document.count('class="main-svg"') >= 3
    assert "<img" not in document.replace(get_plotlyjs(), "")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_comparison_in_a_browser(tmp_path: Path, comparison: tuple[Path, str]) -> None:
    document = in_browser(comparison[0], tmp_path, COMPARED)
    root = document[: document.index("<head>")]
    assert "data-errors" not in root
    found = re.search('data-seen="([^"]*)"', root)
    assert found is not None
    seen = json.loads(unescape(found[1]))
    titles = [one["title"] for one in seen]
    assert len(seen) == len(set(titles)) >= 3
    for one in seen:
        assert one["ascending"] == sorted(one["rows"]) == one["descending"][::-1], one["title"]
        assert len(one["fewer"]) == len(one["rows"]) - 1
        assert one["curves"] > len(one["rows"]) and one["before"]
    (heat,) = (one for one in seen if "heat" in one["title"])
    assert {"convgru", "linear", "lstm"} <= set(heat["rows"])
    assert heat["start"] and heat["played"]
    assert heat["panels"][0] == "truth" and len(heat["panels"]) == 3
