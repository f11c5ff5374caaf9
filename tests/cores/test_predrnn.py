"""PredRNN is the loop of its equations."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sirve.cores import PredRNN
from sirve.cores.predrnn import SpatiotemporalLayer


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve a periodic frame by shifts of whole fields."""
    reach = weight.shape[-1] // 2
    total = torch.zeros(len(x), len(weight), *x.shape[2:], dtype=x.dtype)
    for a in range(-reach, reach + 1):
        for b in range(-reach, reach + 1):
            moved = x.roll((-a, -b), (2, 3))
            total += torch.einsum("oi,nihw->nohw", weight[:, :, a + reach, b + reach], moved)
    return total


def gates(layer: SpatiotemporalLayer, x: Tensor, h: Tensor, m: Tensor) -> dict[str, Tensor]:
    """The seven sums before the gates, one by one."""
    n, found = layer.hidden, {}
    assert layer.x.bias is not None
    for k, name in enumerate(("f", "i", "g", "o", "f'", "i'", "g'")):
        rows = slice(k * n, (k + 1) * n)
        found[name] = convolve(x, layer.x.weight[rows]) + layer.x.bias[rows, None, None]
        source, lift, first = (h, layer.h, 0) if k < 4 else (m, layer.m, 4)
        found[name] += convolve(source, lift.weight[(k - first) * n : (k - first + 1) * n])
    return found


@pytest.mark.parametrize("layers", [1, 3])
@torch.no_grad()
def test_predrnn_is_the_loop_of_its_equations(layers: int) -> None:
    generator = torch.Generator().manual_seed(0)
    core = PredRNN((2, 6, 5), "periodic", hidden=3, layers=layers).double()
    for parameter in core.parameters():
        parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    x = torch.randn(2, 4, 2, 6, 5, generator=generator, dtype=torch.float64)
    zero = torch.zeros(2, 3, 6, 5, dtype=torch.float64)
    h, c, m = [zero] * layers, [zero] * layers, zero
    expected = []
    for t in range(4):
        below = x[:, t]
        for number, layer in enumerate(core.layers):
            assert isinstance(layer, SpatiotemporalLayer)
            a = gates(layer, below, h[number], m)
            c[number] = a["f"].sigmoid() * c[number] + a["i"].sigmoid() * a["g"].tanh()
            m = a["f'"].sigmoid() * m + a["i'"].sigmoid() * a["g'"].tanh()
            both = torch.cat([c[number], m], dim=1)
            o = (a["o"] + convolve(both, layer.o.weight)).sigmoid()
            h[number] = o * F.conv2d(both, layer.last.weight).tanh()
            below = h[number]
        expected.append(below)
    phi, state = core.features(x)
    torch.testing.assert_close(phi[:, :, :3], torch.stack(expected, 1), rtol=0, atol=1e-12)
    assert torch.equal(phi[:, :, 3:], x)
    torch.testing.assert_close(state, (tuple(zip(h, c, strict=True)), m), rtol=0, atol=1e-12)
