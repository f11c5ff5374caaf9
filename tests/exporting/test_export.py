"""An exported model: the same forecast elsewhere, by sirve and by others; no trust needed."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import ROOT, members, on_frames, quick
from torch import Tensor

import sirve
from sirve.cores import Persistence
from sirve.errors import Stopped, UserError
from sirve.exporting import folder as exporting
from sirve.exporting import model_files
from sirve.exporting.folder import STEPS, TOLERANCE
from sirve.exporting.step_program import Step
from sirve.forecasting.checkpoint import save
from tests.forecasting.test_forecaster import SYSTEMS, forecaster_of, states

FILES = ["model.safetensors", "model.json", "step.pt2"]
FITTING = [(m, "heat" if on_frames(m) else "lorenz") for m in members("model")]
CASES = [(*case, torch.float32) for case in [*FITTING, ("linear", "heat"), ("gru", "heat")]]
CASES += [("lstm", "lorenz", torch.float64), ("linear", "lorenz", torch.float64)]
CASES += [("convgru", "heat", torch.float64)]


QUICK = [("gru", "lorenz", torch.float32), ("convgru", "heat", torch.float64)]
QUICK += [("linear", "lorenz", torch.float64)]


@pytest.mark.parametrize(("model", "system", "dtype"), quick(CASES, *QUICK))
def test_loaded_it_forecasts_the_same_and_its_step_nearly(
    model: str, system: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    sim, dt = SYSTEMS[system]
    before, context = forecaster_of(model, system), states(sim, dt, count=7)
    before.core.to(dtype)
    save(before, tmp_path / "best.ckpt")
    sirve.export(tmp_path / "best.ckpt", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(FILES)
    after = sirve.load(tmp_path / "out")
    future = before.forecast(context, 9)
    assert np.array_equal(after.forecast(context, 9), future)
    assert after.info == before.info
    assert after.std == before.std
    assert not after.training
    for name, weight in before.state_dict().items():
        found = after.state_dict()[name]
        assert found.dtype == weight.dtype
        assert found.numpy().tobytes() == weight.numpy().tobytes()
    by_steps = iterated(tmp_path / "out", torch.as_tensor(context, dtype=torch.float64), 9)
    off = (by_steps - torch.as_tensor(future)) / before.normaliser.std
    assert off.abs().max() <= TOLERANCE[dtype]


def iterated(folder: Path, context: Tensor, steps: int) -> Tensor:
    """As another program does it, with nothing of sirve."""
    about = json.loads((folder / "model.json").read_text())["step"]
    step = torch.export.load(folder / "step.pt2").module()
    state = [
        torch.zeros(len(context), *s["shape"][1:], dtype=getattr(torch, s["dtype"]))
        for s in about["state"]
    ]
    for x in context.unbind(1):
        y, *state = step(x, *state)
    future = [y]
    for _ in range(steps - 1):
        y, *state = step(y, *state)
        future.append(y)
    assert [1, *y.shape[1:]] == about["y"]["shape"]
    return torch.stack(future, 1)


def test_the_code_of_the_guide_runs_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(forecaster_of("gru", "lorenz"), Path("run/checkpoints/best.ckpt"))
    sirve.export("run", "lorenz-gru")
    page = (ROOT / "docs" / "guide" / "scores-and-export.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(step = .*?)```", page, re.DOTALL)
    context = torch.as_tensor(states(*SYSTEMS["lorenz"], count=5)[0])
    names: dict[str, Any] = {"torch": torch, "json": json, "Path": Path, "context": context}
    exec(code, names)
    expected = sirve.load("lorenz-gru").forecast(context, 1)
    torch.testing.assert_close(names["y"], expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    save(forecaster_of("gru", "lorenz"), folder / "best.ckpt")
    sirve.export(folder / "best.ckpt", folder / "out")
    return folder / "out"


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """A folder of its own to harm."""
    (tmp_path / "copy").mkdir()
    for name in FILES:
        (tmp_path / "copy" / name).write_bytes((exported / name).read_bytes())
    return tmp_path / "copy"


def resealed(folder: Path, change: Callable[[dict[str, Any], dict[str, Tensor]], Any]) -> None:
    """A stranger's change, all checksums agreeing."""
    about, tensors = model_files.read(folder)
    change(about, tensors)
    model_files.write(folder, about, tensors, (folder / "step.pt2").read_bytes())


def refused(folder: Path, reason: str, **more: Any) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        sirve.load(folder, **more)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_it_names_nothing_of_this_machine(exported: Path) -> None:
    for name in FILES:
        assert str(ROOT).encode() not in (exported / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_and_truncation_is_found(copy: Path, name: str) -> None:
    path, whole = copy / name, (copy / name).read_bytes()
    for k in range(100):
        damaged = bytearray(whole)
        damaged[(k * 7919) % len(whole)] ^= 1 << (k % 8)
        path.write_bytes(damaged)
        refused(copy, "damaged|has format")
    for length in (0, 1, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        refused(copy, f"{name} is damaged")
    path.unlink()
    refused(copy, f"{name} is missing")
    path.mkdir()
    refused(copy, f"{name} is missing")


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"a": 1}', '{"format": 1, "sha256": {}}', "[" * 10**5, "\xff"]
)
def test_a_foreign_description_is_refused(copy: Path, text: str) -> None:
    (copy / "model.json").write_text(text, "latin1")
    refused(copy, "damaged")


def test_a_description_too_large_is_not_parsed(copy: Path) -> None:
    with (copy / "model.json").open("ab") as file:
        file.truncate(model_files.LARGEST + 1)
    refused(copy, "damaged or not from an exported model")


HOSTILE: dict[str, tuple[Callable[[dict[str, Any], dict[str, Tensor]], Any], str]] = {
    "target": (lambda a, t: a["model"].update(_target_="evil.Core"), "outside the trusted"),
    "kind": (
        lambda a, t: a["model"].update(_target_="sirve.io.instantiate.build"),
        "not a kind of Core",
    ),
    "nested": (lambda a, t: a["model"]["cell"].update(_target_="os.system"), "outside the trust"),
    "hidden": (lambda a, t: a["model"].update(hidden=10**8), "have shape"),
    "overflow": (lambda a, t: a["model"].update(hidden=10**30), "model: "),
    "layers": (lambda a, t: a["model"].update(layers=10**12), "more weights than the file has"),
    "shape": (lambda a, t: a["info"].update(shape=[10**12]), "not a positive whole number"),
    "frame": (lambda a, t: a["info"].update(shape=[3, 10**6, 10**6]), "model: .* overflowed"),
    "no shape": (lambda a, t: a["info"].update(shape=[]), "not an exported model"),
    "words": (lambda a, t: a["info"].update(shape="abc"), "not an exported model"),
    "no info": (lambda a, t: a.pop("info"), "not an exported model"),
    "foreign info": (lambda a, t: a["info"].update(evil=1), "not an exported model"),
    "dtype": (lambda a, t: a.update(dtype="load"), "not an exported model"),
    "other dtype": (lambda a, t: a.update(dtype="float64"), "does not reproduce"),
    "more": (lambda a, t: t.update(evil=torch.zeros(1)), "'evil' have shape"),
    "less": (lambda a, t: t.pop("core.scale"), "'core.scale' have shape None"),
    "no check": (lambda a, t: t.pop("check.forecast"), "'check.forecast'"),
    "nan": (lambda a, t: t["check.context"].fill_(torch.nan), "not finite"),
    "nan weights": (lambda a, t: t["core.scale"].fill_(torch.nan), "does not reproduce"),
    "other weights": (lambda a, t: t["core.scale"].mul_(1.01), "does not reproduce its own check"),
    "std": (lambda a, t: a.update(std="abc"), "not an exported model"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_stranger_s_is_refused(copy: Path, name: str) -> None:
    resealed(copy, HOSTILE[name][0])
    refused(copy, HOSTILE[name][1])


def test_what_a_stranger_may_change(copy: Path) -> None:
    """What shows that the table could fail; another machine's last digits are no damage."""
    resealed(copy, lambda about, tensors: tensors["check.forecast"].add_(1e-7))
    assert sirve.load(copy).forecast(np.zeros((2, 3)), STEPS).shape == (STEPS, 3)


def test_a_header_of_huge_sizes_is_refused(copy: Path) -> None:
    header = (
        b'{"core.scale":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    )
    content = len(header).to_bytes(8, "little") + header + bytes(64)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(model_files, "save", lambda tensors: content)
    resealed(copy, lambda about, tensors: None)
    monkey.undo()
    refused(copy, "is not a safetensors file")


def test_nothing_is_unpickled(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("unpickled")

    model_files.write(copy, *model_files.read(copy), b"cbuiltins\nprint\n(S'evil'\ntR.")
    for owner, name in [(pickle, "Unpickler"), (pickle, "loads"), (pickle, "load")]:
        monkeypatch.setattr(owner, name, fail)
    for owner in (torch, torch.export, torch.jit):
        monkeypatch.setattr(owner, "load", fail)
    sirve.load(copy)


def test_an_existing_target_is_refused(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "folder", "link"):
        with pytest.raises(UserError, match=f"{name} exists already; give another"):
            sirve.export(exported, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 3


def test_an_unwritable_target_is_told(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped, match=r"cannot be written \(No such file"):
        sirve.export(exported, tmp_path / "none" / "out")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(Stopped, match=r"cannot be written \(No space left"):
        sirve.export(exported, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["step", "weights", "exactness"])
def test_what_does_not_verify_is_not_written(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    write, iterate = model_files.write, exporting.iterate

    def wrong(folder: Path, about: Any, tensors: dict[str, Tensor], step: bytes) -> None:
        factor = {"weights": 1.01, "exactness": 1 + 1e-6}[fault]
        write(folder, about, {**tensors, "core.scale": tensors["core.scale"] * factor}, step)

    if fault == "step":
        monkeypatch.setattr(exporting, "iterate", lambda *a: iterate(*a) + 1e-3)
    else:
        monkeypatch.setattr(model_files, "write", wrong)
    reason = {"step": "step.pt2 does not", "weights": "does not reproduce", "exactness": "bit for"}
    with pytest.raises(UserError, match=f"out was not written: .*{reason[fault]}"):
        sirve.export(exported, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_run_without_a_best_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match="does not exist; name a run folder"):
        sirve.export(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Counting(Persistence):
    """Its memory is a number."""

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return x, (state or 0) + 1


class OneIsBlank(Persistence):
    """Its memory begins with ones."""

    def features(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        return x, x.new_ones(len(x)) if state is None else state


@pytest.mark.parametrize(("core", "reason"), [(Counting, "not tensors"), (OneIsBlank, "not zeros")])
def test_a_state_that_no_program_can_carry_is_refused(core: Any, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        Step(core((3,)), forecaster_of("gru", "lorenz").normaliser)
