"""Arithmetic compiled by numba (the extra ``[fast]``): tanh, sigmoid and matrix products.

Kernels are compiled at their first use for each type and cached in ``__pycache__`` of this folder,
or in numba's own cache. A cached kernel includes the kernels that it calls: after a change here,
remove ``__pycache__/kernels.*``. A multiplication and an addition may be contracted to one
rounding; nothing else is reordered.

Law (tests/cores/test_rolling.py): the results are those of NumPy to rounding.
"""

from itertools import chain
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

ROWS, VECTORS, BYTES = 4, 2, 64  # tile of a product: rows, vectors, bytes of an AVX-512 vector

kernel = njit(cache=True, fastmath={"contract"}, error_model="numpy")
_inlined = njit(cache=True, fastmath={"contract"}, error_model="numpy", inline="always")

Array = np.ndarray


def width(columns: int, dtype: np.dtype) -> int:
    """Return the number of columns to which ``product`` needs a table padded with zeros."""
    step = VECTORS * BYTES // dtype.itemsize
    return -(-columns // step) * step


@_inlined
def _tanh_single(x: Any) -> Any:
    """Return tanh to 2e-7 as a rational function of degrees 13 and 6, Eigen's ptanh."""
    f = np.float32
    x = min(max(x, f(-7.9)), f(7.9))
    s = x * x
    p = f(-2.76076847742355e-16)
    p = p * s + f(2.00018790482477e-13)
    p = p * s + f(-8.60467152213735e-11)
    p = p * s + f(5.12229709037114e-08)
    p = p * s + f(1.48572235717979e-05)
    p = p * s + f(6.37261928875436e-04)
    p = p * s + f(4.89352455891786e-03)
    q = f(1.19825839466702e-06)
    q = q * s + f(1.18534705686654e-04)
    q = q * s + f(2.26843463243900e-03)
    q = q * s + f(4.89352518554385e-03)
    return x * p / q


@_inlined
def _tanh_double(x: Any) -> Any:
    """Return tanh to two units in the last place, as m / (m + 2) with m = exp(2x) - 1.

    m = (2^k - 1) + 2^k (exp(r) - 1), with 2x = k log 2 + r. k is read from the last bits of a
    number so large that its unit is one, which vectorises; a conversion to integers does not.
    """
    y = 2.0 * min(max(x, -20.0), 20.0)
    shifted = y * 1.4426950408889634 + 6755399441055744.0  # 1.5 * 2^52
    k = shifted - 6755399441055744.0
    power = np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)
    r = y - k * 0.6931471803691238
    r = r - k * 1.9082149292705877e-10
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    m = (power - 1.0) + power * (p * r * r + r)
    return m / (m + 2.0)


def _tanh(x: Any) -> Any:
    """Return tanh in the type of x; implemented for compiled code only."""


@overload(_tanh, inline="always", strict=False)
def _tanh_of(x: Any) -> Any:
    if x.bitwidth == 32:
        return lambda x: _tanh_single(x)
    return lambda x: _tanh_double(x)


@kernel
def tanh(a: Array, start: int, stop: int) -> None:
    """Apply tanh to these columns in place."""
    for i in range(len(a)):
        for j in range(np.uintp(start), np.uintp(stop)):  # a signed index might count from the end
            a[i, j] = _tanh(a[i, j])


@kernel
def sigmoid(a: Array, start: int, stop: int) -> None:
    """Apply the sigmoid to these columns in place."""
    half = a.dtype.type(0.5)
    for i in range(len(a)):
        for j in range(np.uintp(start), np.uintp(stop)):
            a[i, j] = half + half * _tanh(half * a[i, j])


@intrinsic
def _tile(_typing: Any, a: Any, w: Any, out: Any, row: Any, column: Any) -> Any:
    """Compute a tile of out = a @ w from (row, column) on: ROWS rows, VECTORS vectors of columns.

    The sums stay in registers. It is written in LLVM because compiled loops are half as fast.
    """
    assert a.layout == w.layout == out.layout == "C"
    lanes = BYTES // (a.dtype.bitwidth // 8)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        long, short = ir.IntType(64), ir.IntType(32)
        vector = ir.VectorType(context.get_value_type(a.dtype), lanes)
        undefined, contract = ir.Constant(vector, ir.Undefined), ("contract",)
        left, right, result = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:3], values[:3], strict=True)
        )
        rows = [builder.add(values[3], ir.Constant(long, r)) for r in range(ROWS)]
        columns = [builder.add(values[4], ir.Constant(long, v * lanes)) for v in range(VECTORS)]

        def place(array: Any, i: Any, j: Any) -> Any:
            width = builder.extract_value(array.shape, 1)
            return builder.gep(array.data, [builder.add(builder.mul(i, width), j)])

        def places(array: Any, i: Any) -> list[Any]:
            return [builder.bitcast(place(array, i, j), vector.as_pointer()) for j in columns]

        def spread(number: Any) -> Any:
            single = builder.insert_element(undefined, number, ir.Constant(short, 0))
            first = ir.Constant(ir.VectorType(short, lanes), [0] * lanes)
            return builder.shuffle_vector(single, undefined, first)

        before, loop, after = (
            builder.block,
            builder.append_basic_block(),
            builder.append_basic_block(),
        )
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(long)
        sums = [[builder.phi(vector) for _ in columns] for _ in rows]
        ws = [builder.load(pointer, align=4) for pointer in places(right, k)]
        grown = []
        for i, line in zip(rows, sums, strict=True):
            x = spread(builder.load(place(left, i, k)))
            terms = [builder.fmul(x, y, flags=contract) for y in ws]
            grown.append(
                [builder.fadd(s, t, flags=contract) for s, t in zip(line, terms, strict=True)]
            )
        following = builder.add(k, ir.Constant(long, 1))
        depth = builder.extract_value(right.shape, 0)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
        k.add_incoming(ir.Constant(long, 0), before)
        k.add_incoming(following, loop)
        for total, new in zip(chain(*sums), chain(*grown), strict=True):
            total.add_incoming(ir.Constant(vector, [0.0] * lanes), before)
            total.add_incoming(new, loop)
        builder.position_at_end(after)
        for i, line in zip(rows, grown, strict=True):
            for total, pointer in zip(line, places(result, i), strict=True):
                builder.store(total, pointer, align=4)
        return context.get_dummy_value()

    return types.void(a, w, out, types.intp, types.intp), generate


@kernel
def product(a: Array, w: Array, out: Array) -> None:
    """Compute out = a @ w of contiguous arrays; w has ``width`` columns."""
    tiled = len(a) - len(a) % ROWS
    step = VECTORS * BYTES // a.itemsize
    for j in range(0, w.shape[1], step):  # a panel of w stays in the cache
        for i in range(0, tiled, ROWS):
            _tile(a, w, out, i, j)
    thirds = len(w) - len(w) % 3
    for i in range(tiled, len(a)):
        c = out[i]
        c[:] = 0
        for k in range(0, thirds, 3):  # three at a time: a third of the passes over c
            x, y, z = a[i, k], a[i, k + 1], a[i, k + 2]
            wx, wy, wz = w[k], w[k + 1], w[k + 2]
            for j in range(c.size):
                c[j] += x * wx[j] + y * wy[j] + z * wz[j]
        for k in range(thirds, len(w)):
            x, wx = a[i, k], w[k]
            for j in range(c.size):
                c[j] += x * wx[j]
