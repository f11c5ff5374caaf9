"""The study: plans are consistent, comparisons are right, a failed run does not stop others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support import FEW, ROOT, SMALL, configure

from scripts.study import runs, study
from scripts.study.answer import plan
from scripts.study.answer.comparison import compare, difference_text
from scripts.study.answer.equal_training import equal_training
from scripts.study.answer.plan import Case, Plan, Row
from scripts.study.answer.results import Outcome, Result
from sirve.errors import UserError
from sirve.report.load import Run

PLANS = sorted((ROOT / "scripts" / "study" / "plans").glob("*.yaml"))
STARTS = np.linspace(0.9, 1.1, 16)


@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.stem)
def test_plans_are_consistent(path: Path) -> None:
    found = plan.load(path)
    cells = list(found.cells())
    assert len({cell.name for cell in cells}) == len(cells)
    assert [c.seed for c in cells] == sorted(c.seed for c in cells)
    for case in found.cases:
        roles = {row.role for row in case.rows}
        assert roles & set(plan.RECURRENT)
        if case.memory:  # else recurrence and knowledge of the past are confounded
            assert {"memoryless", "stacked"} <= roles, case.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cases": {"a": {"rows": {"gruu": None}}}}, "no model gruu; did you mean 'gru'"),
        ({"cases": {"a": {"score": "nmse"}}}, "score=nmse"),
        ({"models": {"gru": {"role": "winner", "is": []}}}, "role=winner"),
        ({"cases": {"a": {"curve": "b"}}}, "a has curve=b"),
    ],
)
def test_inconsistent_plan_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    entry = {"title": "A", "memory": False, "score": "nrmse", "at": 1, "common": []}
    content: dict[str, Any] = {
        "common": [],
        "models": {"gru": {"role": "random", "is": []}},
        "cases": {"a": entry | {"rows": {"gru": None}}},
    }
    content["models"] |= change.get("models", {})
    content["cases"]["a"] |= change.get("cases", {}).get("a", {})
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message):
        plan.load(tmp_path / "p.yaml")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("budget=huge", "budget=huge is unknown"),
        ("workers=0", "workers=0"),
        ("budgett=quick", "did you mean 'budget'"),
        ("--show", "holds no finished run"),
    ],
)
def test_wrong_options_end_in_one_line(
    argument: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.main([f"study={tmp_path}", argument, "--show"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def result_of(score: str, scale: dict[str, float]) -> Result:
    """Return a result with the scores of the recurrent network times a number for each role."""
    case = Case("a", "A", True, score, 0.4 if score == "valid_time" else 1.0, ())
    rng = np.random.default_rng(0)
    outcomes = (
        Outcome(role, role, (), factor * STARTS[rng.permutation(16)][None])
        for role, factor in {"random": 1.0, **scale}.items()
    )
    return Result(case, tuple(outcomes), {}, {})


def test_comparison_is_with_the_best_of_each_kind() -> None:
    errors = {"memoryless": 3.0, "stacked": 2.0, "rival": 2.0, "baseline": 0.5}
    found = compare(result_of("nrmse", errors))
    assert found and {role: other.name for role, (other, _) in found.others.items()} == {
        "memoryless": "memoryless",
        "stacked": "stacked",
        "rival": "baseline",  # less error than the rival
    }
    ratio = found.others["memoryless"][1]
    assert ratio.low <= 1 / 3 <= ratio.high and ratio.middle == pytest.approx(1 / 3)
    assert found.others["rival"][1].low > 1
    assert difference_text(found.result, ratio).startswith("0.333 [")


def test_valid_times_are_compared_by_their_difference() -> None:
    found = compare(result_of("valid_time", {"memoryless": 0.2, "stacked": 2.0}))
    assert found
    ahead, behind = (found.others[role][1] for role in ("memoryless", "stacked"))
    assert ahead.low > 0 and ahead.middle == pytest.approx(0.8)
    assert behind.high < 0 and behind.middle == pytest.approx(-1.0)
    assert difference_text(found.result, behind).startswith("-1.00 [")
    assert compare(replace(found.result, outcomes=found.result.outcomes[1:])) is None


def learned(name: str, role: str, updates: int, seconds: float, factor: float = 1.0) -> Outcome:
    """Return a model whose class is the first word of its name, trained for so many updates."""
    metrics = {"fit": {"kind": "gradient", "seconds": seconds}, "seconds": {"train": 1.0}}
    config = f"trainer:\n  updates: {updates}\nmodel:\n  _target_: {name.split()[0]}\n"
    run = Run(Path("."), metrics, config, [], np.ones(1), {}, {}, (1,), 1)
    return Outcome(name, role, (run,), factor * STARTS[None])


def test_ablations_are_compared_at_equal_updates_and_seconds() -> None:
    outcomes = (
        learned("resgru", "trained", 200, 100.0),
        learned("rescnn", "memoryless", 200, 60.0, 3.0),
        learned("rescnn longer", "memoryless", 330, 105.0, 2.0),
        learned("stacked", "stacked", 200, 190.0),
        learned("gru", "trained", 1500, 50.0),
        learned("mlp", "memoryless", 1500, 55.0),
        learned("fno", "rival", 200, 100.0),
    )
    case = Case("a", "A", True, "nrmse", 1.0, ())
    rows = equal_training([Result(case, outcomes, {}, {})])
    assert [row[1].split()[0] for row in rows] == ["resgru", "resgru", "gru"]
    first, second, third = rows
    assert first[2].startswith("0.333 [") and "(rescnn 3" in first[2]
    assert first[3].startswith("0.500 [") and first[3].endswith("330 updates")
    assert "(stacked 1" in second[2] and "takes longer" in second[3]
    assert "(mlp 1" in third[2] and "the same run" in third[3]


@pytest.mark.slow
def test_failed_run_does_not_stop_others_and_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (*FEW, *SMALL["pendulum"], "sim=pendulum", "logger=none", f"data.root={tmp_path}/data")
    good = Row("good", "rival", (*common, "model=persistence"), (0,))
    bad = Row("bad", "random", (*common, "model=gruu"), (0,))
    case = Case("pendulum", "Pendulum", False, "nrmse", 1.0, (bad, good))
    small_plan = Plan("small", (case,))
    overrides = {cell.name: cell.overrides for cell in small_plan.cells()}
    launched = {name: ["-m", "launcher=joblib", *some] for name, some in overrides.items()}
    runs.run_all(launched, tmp_path / "runs", 2)
    cells = {cell.row.name: tmp_path / "runs" / cell.name for cell in small_plan.cells()}
    assert runs.finished(cells["good"]) and "gruu" in (runs.reason(cells["bad"]) or "")
    capsys.readouterr()
    runs.run_all(overrides, tmp_path / "runs", 2)
    output = capsys.readouterr().out
    assert "1 runs to do" in output and "failed" in output


@pytest.mark.slow
@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.stem)
def test_every_run_of_a_plan_can_be_composed(path: Path) -> None:
    for cell in plan.load(path).cells():
        if cell.seed == 0:
            assert configure(*cell.overrides)["sim"]["system"], cell.name
