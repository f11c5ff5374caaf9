"""Training with a compiled step gives what it gives without, to rounding."""

import pytest
import torch

from sirve.cores import Recurrent, ResidualRecurrent, ResidualStacked
from sirve.cores.cells import GRU, LSTM, RNN
from sirve.errors import UserError
from sirve.pipeline import checks
from sirve.training.compiling import compiled, require_compiles
from sirve.training.fits import Gradient, Ridge
from sirve.training.lightning import Hardware
from sirve.training.objectives.squared_error import SquaredError

CORES = {
    "gru": lambda shape: ResidualRecurrent(shape, GRU(), "periodic", 4, 4, 2, 3, innovation=True),
    "lstm": lambda shape: ResidualRecurrent(shape, LSTM(), "periodic", 4, 4, 2, 3),
    "rnn": lambda shape: ResidualRecurrent(shape, RNN(), "neumann", 4, 4, 2, 3, output="absolute"),
    "stacked": lambda shape: ResidualStacked(shape, "dirichlet", 3, 4, 2, 3),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # PyTorch warns of its own code
@pytest.mark.parametrize("shape", [(2, 12), (1, 8, 8)], ids=["line", "frame"])
@pytest.mark.parametrize("name", CORES)
def test_a_compiled_step_has_the_same_loss_and_gradients(name, shape):
    torch.manual_seed(0)
    core = CORES[name](shape)
    for parameter in core.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    window, objective = torch.randn(2, 8, *shape), SquaredError(context=3, horizon=4, warmup=1)

    def loss_and_gradients():
        core.zero_grad()
        loss = objective(core, window)
        loss.backward()
        return [loss, *(p.grad.clone() for p in core.parameters())]

    plain = loss_and_gradients()
    with compiled(core, True):
        fast = loss_and_gradients()
        with torch.no_grad():
            forecast = core(window)[0]
    assert torch.equal(forecast, core(window)[0])  # without gradients nothing is compiled
    for one, other in zip(plain, fast, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert core.step not in vars(core)


def test_a_core_without_a_step_is_refused():
    with pytest.raises(UserError, match="Recurrent names no step to compile; give"):
        require_compiles(Recurrent((3,), GRU(), 4))


def test_a_fit_without_gradient_and_a_number_are_refused():
    core = CORES["stacked"]((1, 8))
    with pytest.raises(UserError, match=r"trainer\.compile=true needs fit=gradient, but .* ridge"):
        checks.compiling(Hardware(compile=True), Ridge(), core)
    with pytest.raises(UserError, match=r"trainer\.compile=7; choose from: true, false"):
        checks.compiling(Hardware(compile=7), Gradient(), core)
    checks.compiling(Hardware(), Ridge(), core)


def test_a_machine_that_cannot_compile_is_refused(monkeypatch):
    def without(function):
        raise RuntimeError("no working C++ compiler")

    monkeypatch.setattr(torch, "compile", without)
    with pytest.raises(UserError, match=r"cannot compile here \(no working .* install a C\+\+"):
        require_compiles(CORES["stacked"]((1, 8)))
