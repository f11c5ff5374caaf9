"""How far back a gradient reaches: the norm of dL_T / dh_t against the lag T - t."""

import torch
from torch import Tensor

from sirve.cores import Core
from sirve.evaluation.inside.traces import traced

NAMES = ("h", "C")  # symbols of the tensors of a cell's state, as in the note


def reach(core: Core, windows: Tensor) -> dict[str, Tensor]:
    """Return || dL_T / ds_t || / || dL_T / ds_T || for each tensor s of the memory: {"h": (B, T)}.

    The columns are the lags T - t = 0 ... T - 1. ``windows`` (B, T + 1, *shape), normalised, are
    read with an empty memory at the start; L_T = mean of ((x_{T+1} - y_T) / scale)^2 is the loss of
    the last prediction only, and s_t the memory of all layers at t: h, and C of an LSTM. The
    gradient vanishes where the norm falls exponentially with the lag. Empty for a core without
    recurrent cells.

    Source: Y. Bengio et al., IEEE Trans. Neural Networks 5 (1994), section III; R. Pascanu et al.,
    ICML 2013, section 2.
    """
    read = windows[:, :-1].detach().clone().requires_grad_()
    with torch.enable_grad(), traced(core) as traces:
        y, _ = core(read)
        apart = core.predicted(y)[:, -1] - core.predicted(windows)[:, -1]
        loss = ((apart / core.scale) ** 2).flatten(1).mean(1).sum()
    found = {}
    for i, name in enumerate(NAMES):
        states = [[state[i] for state in trace.states if len(state) > i] for trace in traces]
        states = [layer for layer in states if layer]
        if states:
            found[name] = _norms(loss, states)
    return found


def _norms(loss: Tensor, layers: list[list[Tensor]]) -> Tensor:
    """Return the norms (B, T) of the gradients of all layers, the latest time first."""
    flat = [state for layer in layers for state in layer]
    gradients = torch.autograd.grad(loss, flat, retain_graph=True, materialize_grads=True)
    times = len(layers[0])
    squares = torch.zeros(len(flat[0]), times, dtype=torch.float64, device=loss.device)
    for k, gradient in enumerate(gradients):
        squares[:, k % times] += gradient.double().flatten(1).square().sum(1)
    norms = squares.sqrt().flip(1)
    return norms / norms[:, :1]


def falls_below(norms: Tensor, level: float) -> int | None:
    """Return the first lag at which the median over windows is below ``level``, or None."""
    below = (norms.median(0).values < level).nonzero()
    return int(below[0]) if len(below) else None
