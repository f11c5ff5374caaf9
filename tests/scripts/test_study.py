"""The study: plans hold together, claims follow from the numbers, a failed run loses no other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support import FEW, ROOT, SMALL, configure

from scripts.study import study
from scripts.study.answer import plan, runs
from scripts.study.answer.claims import Verdict, difference, reason
from scripts.study.answer.paragraph import ENGLISH, SPANISH, Tally, paragraph
from scripts.study.answer.plan import Case, Plan, Row
from scripts.study.answer.results import Outcome, Result
from scripts.study.answer.trained import comparisons
from sirve.errors import UserError
from sirve.report.load import Run

PLANS = sorted((ROOT / "scripts" / "study" / "plans").glob("*.yaml"))
STARTS = np.linspace(0.9, 1.1, 16)


@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.stem)
def test_plans_hold_together(path: Path) -> None:
    found = plan.load(path)
    cells = list(found.cells())
    assert len({cell.name for cell in cells}) == len(cells)
    assert [c.seed for c in cells] == sorted(c.seed for c in cells)
    for case in found.cases:
        roles = {row.role for row in case.rows}
        assert roles & set(plan.RECURRENT)
        if case.memory:  # without both, recurrence is confounded with history
            assert {"memoryless", "stacked"} <= roles, case.name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cases": {"a": {"rows": {"gruu": None}}}}, "no model gruu; did you mean 'gru'"),
        ({"cases": {"a": {"score": "nmse"}}}, "score=nmse"),
        ({"models": {"gru": {"role": "winner", "is": []}}}, "role=winner"),
        ({"cases": {"a": {"curve": "b"}}}, "a follows b"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(
    change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    entry = {"title": "A", "memory": False, "score": "nrmse", "at": 1, "common": []}
    content: dict[str, Any] = {
        "common": [],
        "models": {"gru": {"role": "random", "is": []}},
        "cases": {"a": entry | {"rows": {"gru": None}}},
    }
    content["models"] |= change.get("models", {})
    content["cases"]["a"] |= change.get("cases", {}).get("a", {})
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=told):
        plan.load(tmp_path / "p.yaml")


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("budget=huge", "budget=huge is unknown"),
        ("workers=0", "workers=0"),
        ("budgett=quick", "did you mean 'budget'"),
        ("--show", "holds no finished run"),
    ],
)
def test_wrong_options_end_in_one_line(
    argument: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.main([f"study={tmp_path}", argument, "--show"]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def verdict(score: str, scale: dict[str, float]) -> Verdict:
    """Scores of every kind of opponent: those of the recurrent network times a number."""
    case = Case("a", "A", True, score, 0.4 if score == "valid_time" else 1.0, ())
    rng = np.random.default_rng(0)
    outcomes = {
        role: Outcome(role, role, (), factor * STARTS[rng.permutation(16)][None])
        for role, factor in {"random": 1.0, **scale}.items()
    }
    result = Result(case, tuple(outcomes.values()), {}, {})
    recurrent = outcomes["random"]
    beside = {r: (outcomes[r], result.against(recurrent, outcomes[r])) for r in scale}
    return Verdict(result, recurrent, beside)


def test_claims_follow_from_the_differences() -> None:
    all_worse = {"memoryless": 3.0, "stacked": 2.0, "rival": 2.0}  # errors: less is better
    found = verdict("nrmse", all_worse)
    assert found.serves == 1 and "more than a stack" in reason(found)
    assert verdict("nrmse", all_worse | {"rival": 0.5}).serves == -1
    assert verdict("nrmse", all_worse | {"rival": 1.0}).serves == 0
    assert "serves better" in reason(verdict("nrmse", all_worse | {"stacked": 0.5}))
    assert "not told apart" in reason(verdict("nrmse", all_worse | {"stacked": 1.0}))
    case = replace(found.result.case, memory=False)
    whole = replace(found, result=replace(found.result, case=case))
    assert "not by memory" in reason(whole)
    assert "does not help" in reason(verdict("nrmse", all_worse | {"memoryless": 0.5}))
    ratio = found.beside["memoryless"][1]
    assert ratio.low <= 1 / 3 <= ratio.high and ratio.middle == pytest.approx(1 / 3)
    assert difference(found.result, ratio).startswith("0.333 [")

    shorter = {"memoryless": 0.2, "stacked": 0.5, "rival": 0.5}  # valid times: more is better
    assert verdict("valid_time", shorter).serves == 1
    assert verdict("valid_time", shorter | {"stacked": 2.0}).serves == -1


def test_what_is_no_better_than_a_baseline_claims_nothing() -> None:
    found = verdict("nrmse", {"memoryless": 3.0, "stacked": 2.0, "baseline": 0.5})
    assert not found.forecasts and "nothing follows" in reason(found)
    assert verdict("nrmse", {"memoryless": 3.0, "stacked": 3.0, "baseline": 3.0}).forecasts


def test_the_paragraph_counts_the_verdicts() -> None:
    ahead = verdict("nrmse", {"memoryless": 3.0, "stacked": 2.0, "rival": 2.0})
    stack = verdict("nrmse", {"memoryless": 3.0, "stacked": 0.5, "rival": 2.0})
    lost = verdict("nrmse", {"memoryless": 3.0, "baseline": 0.5})
    tally = Tally([ahead, stack, stack, lost], 12, 2, 3)
    for words in (
        "It serves as a memory, but mostly no better than the same past",
        "By 12 runs",
        "every kind of opponent in 1 of 3 (A), and behind at least one in 2 of 3 (A; A)",
        "memoryless twin in 3 of 3, and the same past as a stack in 1",
        "ahead of all in 0 of 0, and behind in 0 of 0",
        "no better than the best baseline in 1 more (A)",
        "the solver is cheaper in 2 of 3",
    ):
        assert words in paragraph(tally, ENGLISH)
    told = paragraph(tally, SPANISH)
    assert told.startswith("Sirve como memoria, pero pocas veces mejor") and "en 2 de 3." in told
    assert paragraph(replace(tally, verdicts=[ahead]), SPANISH).startswith(
        "Sirve como memoria, y casi"
    )
    assert (
        "one state says it all, it" not in paragraph(tally, ENGLISH).partition(". ")[0]
    )  # not looked at
    assert paragraph(replace(tally, verdicts=[lost]), ENGLISH).startswith("By 12 runs")


def learned(name: str, role: str, steps: int, seconds: float, factor: float = 1.0) -> Outcome:
    """Of a class of its first word, trained for ``steps`` updates and ``seconds``."""
    metrics = {"fit": {"kind": "gradient", "seconds": seconds}, "seconds": {"train": 1.0}}
    config = f"trainer:\n  steps: {steps}\nmodel:\n  _target_: {name.split()[0]}\n"
    run = Run(Path("."), metrics, config, [], np.ones(1), {}, {}, (1,), 1)
    return Outcome(name, role, (run,), factor * STARTS[None])


def test_trained_twins_are_compared_at_equal_updates_and_seconds() -> None:
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
    rows = comparisons([Result(case, outcomes, {}, {})])
    assert [row[1].split()[0] for row in rows] == ["resgru", "resgru", "gru"]
    first, second, third = rows
    assert first[2].startswith("0.333 [") and "(rescnn 3" in first[2]
    assert first[3].startswith("0.500 [") and first[3].endswith("330 updates")
    assert "(stacked 1" in second[2] and "takes longer" in second[3]
    assert "(mlp 1" in third[2] and "the same run" in third[3]


@pytest.mark.slow
def test_a_failed_run_loses_none_and_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (*FEW, *SMALL["pendulum"], "sim=pendulum", "logger=none", f"data.root={tmp_path}/data")
    good = Row("good", "rival", (*common, "model=persistence"), (0,))
    bad = Row("bad", "random", (*common, "model=gruu"), (0,))
    case = Case("pendulum", "Pendulum", False, "nrmse", 1.0, (bad, good))
    small_plan = Plan("small", (case,))
    runs.run_all(small_plan, tmp_path / "runs", 2, ("-m", "launcher=joblib"))
    cells = {cell.row.name: tmp_path / "runs" / cell.name for cell in small_plan.cells()}
    assert runs.finished(cells["good"]) and "gruu" in (runs.reason(cells["bad"]) or "")
    capsys.readouterr()
    runs.run_all(small_plan, tmp_path / "runs", 2, ())
    told = capsys.readouterr().out
    assert "1 runs to do" in told and "failed" in told


@pytest.mark.slow
@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.stem)
def test_every_run_of_a_plan_can_be_composed(path: Path) -> None:
    for cell in plan.load(path).cells():
        if cell.seed == 0:
            assert configure(*cell.overrides)["sim"]["system"], cell.name
