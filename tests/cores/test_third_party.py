"""Models made of other people's packages: they compute the same, and report a missing one."""

import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import pytest
import torch
from support import MISSING, RIVALS, model_node
from torch import Tensor, nn
from warm import run_warm

from sirve.cores import Core, FourierOperator, Mamba, UNet
from sirve.cores.third_party.fourier_operator import Spectral
from sirve.errors import UserError
from sirve.io.instantiate import build
from sirve.runs import provenance


def needs(model: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(model in MISSING, reason='not installed: ".[rivals]" has it')


def filled(module: nn.Module, size: float = 0.3) -> Any:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return module


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("model", RIVALS)
def test_a_missing_package_is_reported_in_one_line(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules, "neuralop.models", "monai.networks.nets.basic_unet"]:
        if name.partition(".")[0] == RIVALS[model]:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, RIVALS[model], None)
    shape = (3,) if model == "mamba" else (1, 8, 8)
    node = model_node(model)
    with pytest.raises(UserError, match=r"not installed.*pip install 'sirve\[rivals\]'") as caught:
        build(node, Core, place="model", shape=shape, boundary="periodic")
    assert "\n" not in str(caught.value)


def test_no_package_is_imported_before_its_model_is_built(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sirve.pipeline.run, sys; print({set(RIVALS.values())} & set(sys.modules))"
    )
    assert run_warm([str(script)], tmp_path) == (0, "set()\n", "")


@needs("fno")
@pytest.mark.parametrize("space", [(16,), (17,), (12, 16), (14, 9)])
@torch.no_grad()
def test_spectral_convolution_equals_that_of_neuralop(space: tuple[int, ...]) -> None:
    from neuralop.layers.spectral_convolution import SpectralConv

    modes = [3] * len(space)
    mine = filled(Spectral(2, 4, modes))
    theirs = SpectralConv(2, 4, tuple([7] * (len(space) - 1) + [6]))
    theirs.bias.copy_(mine.bias)
    theirs.weight.tensor.copy_(torch.view_as_complex(mine.weight))
    x = normal(3, 2, *space)
    torch.testing.assert_close(mine(x), theirs(x), rtol=1e-5, atol=1e-5)


@needs("fno")
@torch.no_grad()
def test_initial_spectral_weights_have_the_size_of_neuralop() -> None:
    from neuralop.layers.spectral_convolution import SpectralConv

    torch.manual_seed(0)
    mine, theirs = Spectral(40, 40, [4, 4]), SpectralConv(40, 40, (8, 8))
    found = torch.view_as_complex(mine.weight).std()
    torch.testing.assert_close(found, theirs.weight.tensor.std(), rtol=0.03, atol=0)


@needs("fno")
@pytest.mark.parametrize(("boundary", "sign"), [("neumann", 1), ("dirichlet", -1)])
@torch.no_grad()
def test_with_a_boundary_it_is_the_periodic_operator_of_the_mirrored_field(
    boundary: Any, sign: int
) -> None:
    core = filled(FourierOperator((1, 5, 6), boundary, width=4, modes=2, layers=2)).double()
    whole = FourierOperator((1, 10, 12), "periodic", width=4, modes=2, layers=2).double()
    whole.load_state_dict(core.state_dict())
    x = normal(2, 3, 1, 5, 6).double()
    tall = torch.cat([x, sign * x.flip(3)], dim=3)
    y = whole(torch.cat([tall, sign * tall.flip(4)], dim=4))[0]
    torch.testing.assert_close(core(x)[0], y[..., :5, :6], rtol=0, atol=1e-12)


@needs("fno")
def test_waves_finer_than_the_grid_are_left_out() -> None:
    core = FourierOperator((1, 6, 40), "periodic", modes=8)
    assert core.waves == [2, 8]
    assert core.accepts_shape((1, 5, 17))
    assert not core.accepts_shape((1, 4, 17))
    assert not core.accepts_shape((1, 6, 16))


@needs("unet")
@torch.no_grad()
def test_with_four_halvings_it_equals_the_basic_unet_of_monai() -> None:
    from monai.networks.nets.basic_unet import BasicUNet

    width = 2
    core = filled(UNet((1, 32, 16), "dirichlet", width=width, depth=4), 0.1)
    widths = [width * 2**level for level in range(5)]
    norm = ("group", {"num_groups": 1})
    theirs = BasicUNet(2, 1, 1, (*widths, width), act="GELU", norm=norm)
    parts = {"conv_0": core.first}
    parts |= {f"down_{k + 1}": part for k, part in enumerate(core.down)}
    parts |= {f"upcat_{4 - k}": part for k, part in enumerate(core.up)}
    for name, part in parts.items():
        getattr(theirs, name).load_state_dict(part.state_dict())
    theirs.final_conv = nn.Identity()
    x = normal(2, 1, 1, 32, 16)
    phi, _ = core.features(x)
    torch.testing.assert_close(phi[:, 0], theirs(x[:, 0]), rtol=1e-5, atol=1e-5)


@needs("unet")
@torch.no_grad()
def test_unet_is_equivariant_under_shifts_by_two_to_the_depth() -> None:
    core = filled(UNet((1, 16, 8), "periodic", width=3)).double()
    x = normal(2, 1, 1, 16, 8).double()
    shifted = core(x.roll((4, -4), (-2, -1)))[0]
    torch.testing.assert_close(shifted, core(x)[0].roll((4, -4), (-2, -1)), rtol=0, atol=1e-12)


@needs("unet")
def test_too_many_halvings_raise() -> None:
    with pytest.raises(ValueError, match="depth=4 halves a field of"):
        UNet((1, 15, 40), "neumann", depth=4)
    assert not UNet((1, 16, 16), "neumann", depth=3).accepts_shape((1, 7, 16))


@needs("mamba")
@torch.no_grad()
def test_a_sequence_and_its_steps_equal_those_of_mambapy() -> None:
    from mambapy.mamba import Mamba as Theirs
    from mambapy.mamba import MambaConfig

    core = filled(Mamba((3,), width=8, layers=2, states=4))
    theirs = Theirs(MambaConfig(d_model=8, n_layers=2, d_state=4))
    for mine, other in zip(core.blocks, theirs.layers, strict=True):
        other.load_state_dict(mine.state_dict())
    x = normal(2, 7, 3)
    a = core.enter(x.flatten(0, 1)).unflatten(0, (2, 7))
    phi, state = core.features(x)
    torch.testing.assert_close(phi[..., :8], theirs(a), rtol=1e-4, atol=1e-5)
    caches = [(None, torch.zeros(2, 16, 3)) for _ in range(2)]
    for t in range(7):
        step, caches = theirs.step(a[:, t], caches)
    torch.testing.assert_close(phi[:, -1, :8], step, rtol=1e-4, atol=1e-5)
    for mine, other in zip(state, caches, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", RIVALS)
def test_a_run_records_the_version_of_the_package(model: str) -> None:
    if model in MISSING:
        pytest.skip('not installed: ".[rivals]" has it')
    shape = (3,) if model == "mamba" else (1, 8, 8)
    node = model_node(model)
    core = build(node, Core, place="model", shape=shape, boundary="periodic")
    (found,) = packages_distributions()[RIVALS[model]]
    record = provenance.here(parts=map(type, core.modules()))
    assert record["libraries"] == f"{found} {version(found)}"
    assert provenance.here(parts=[Core, nn.Linear])["libraries"] is None
