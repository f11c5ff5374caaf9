"""Compares the cost of a training step on images with that of its convolutions alone.

python scripts/benchmark/convolutions.py [--repeats 5] [--bf16]

It times the residual body of model=rescnn on frames of 64 x 64, two at a time, eight steps, in CPU
seconds of one core: with boundaries padded by F.pad, with those of sirve, and a convolution of the
same size alone. The best of some repeats is shown.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sirve.cores import ResidualStacked, lift
from sirve.training.objectives.squared_error import SquaredError

BATCH, SIZE, WIDTH, STEPS = 2, 64, 32, 8
OWN = lift.extend


def padded(x: Tensor, margin: int, boundary: lift.Boundary) -> Tensor:
    """Pad a periodic field with torch."""
    return F.pad(x, [margin] * 4, mode="circular") if margin else x


def best(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest CPU seconds of ``work``, after one warm-up."""
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times[1:])


def training_step(bf16: bool) -> tuple[Callable[[], object], float]:
    """Return loss and gradient over STEPS free steps as a function, and its operations."""
    core = ResidualStacked((2, SIZE, SIZE), "periodic", width=WIDTH)
    window = torch.randn(BATCH, STEPS + 1, 2, SIZE, SIZE)

    def work() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = SquaredError(1, STEPS)(core, window)
        loss.backward()

    weights = sum(p.numel() for name, p in core.named_parameters() if name.endswith("weight"))
    return work, 3 * 2 * weights * SIZE**2 * BATCH * STEPS  # forward, and two products backward


def convolution(bf16: bool) -> tuple[Callable[[], object], float]:
    """Return one of its convolutions, forward and backward without padding, and its operations."""
    dtype = torch.bfloat16 if bf16 else torch.float32
    x = torch.randn(BATCH, SIZE + 2, SIZE + 2, WIDTH, dtype=dtype).movedim(-1, 1).requires_grad_()
    weight = torch.randn(WIDTH, WIDTH, 3, 3, dtype=dtype, requires_grad=True)

    def work() -> None:
        for _ in range(20):
            y = F.conv2d(x, weight)
            torch.autograd.grad(y, (x, weight), y)

    return work, 20 * 3 * 2 * weight.numel() * SIZE**2 * BATCH


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Training on images, compared with its convolutions."
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bf16", action="store_true", help="in mixed precision")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| | ms | GFLOP/s |\n|---|--:|--:|")
    for name, extend in (("step, F.pad", padded), ("step, ours", OWN), ("convolution alone", None)):
        if extend is not None:
            lift.extend = extend
        made = convolution if extend is None else training_step
        work, operations = made(options.bf16)
        seconds = best(work, options.repeats)
        print(f"| {name} | {1e3 * seconds:.0f} | {operations / seconds / 1e9:.0f} |", flush=True)


if __name__ == "__main__":
    main()
