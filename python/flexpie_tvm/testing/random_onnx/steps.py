# SPDX-License-Identifier: Apache-2.0
"""Draws of nodes that go on from tensors of a graph: layers of images, of sequences, of any."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .arrange import REDUCTIONS
from .draws import Draw, flip, floats, int64, one_of, sizes, some_axes

#: Tensors of the graph so far, the last one is gone on from. A step's inputs are of these (the
#: same array, not a copy), or weights.
Step = Callable[[np.random.Generator, int, Sequence[np.ndarray]], Draw | None]

#: Functions that change little where their input does, with the first opset of each.
SMOOTH = {
    "Relu": 6, "LeakyRelu": 6, "Sigmoid": 6, "Tanh": 6, "Elu": 6, "HardSigmoid": 6, "Selu": 6,
    "HardSwish": 14, "Softplus": 1, "Softsign": 1, "Abs": 6, "Erf": 9, "Gelu": 20, "Mish": 18,
    "Sin": 7, "Neg": 6, "Celu": 12, "ThresholdedRelu": 99, "Identity": 1,
}  # fmt: skip


def activation(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """A function of each element, or a clip with bounds on one side or both."""
    if rng.random() < 0.25:
        low, high = one_of(rng, (0.0, 6.0), (None, 1.0), (-0.5, None), (-1.0, 1.0))
        if opset < 11:
            return Draw("Clip", [pool[-1]], {"min": low, "max": high})
        bounds = [None if b is None else np.array(b, "float32") for b in (low, high)]
        return Draw("Clip", [pool[-1], *bounds])
    name = one_of(rng, *(n for n, first in SMOOTH.items() if first <= opset))
    attributes = {"approximate": one_of(rng, "none", "tanh")} if name == "Gelu" else {}
    return Draw(name, [pool[-1]], attributes)


def join(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw | None:
    """A tensor with another of the graph (a skip), or with a weight."""
    x = pool[-1]
    name = one_of(rng, "Add", "Mul", "Sub", "Max", "Min")
    if name in ("Max", "Min") and opset < 8:
        name = "Add"
    others = [y for y in pool[:-1] if _fits(y.shape, x.shape)]
    if others and rng.random() < 0.7:
        other = one_of(rng, *others)
    else:
        other = floats(rng, *(n if flip(rng) else 1 for n in x.shape))
    pair = [other, x] if flip(rng) else [x, other]
    return Draw(name, pair)


def concat(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw | None:
    """A tensor beside another that differs from it along one axis at most."""
    x = pool[-1]
    axis = int(rng.integers(x.ndim))
    others = [y for y in pool if _beside(y.shape, x.shape, axis)]
    picked = [one_of(rng, *others) for _ in range(int(rng.integers(1, 3)))]
    axis = axis - x.ndim if opset >= 11 and flip(rng) else axis
    return Draw("Concat", [x, *picked], {"axis": axis})


def reduction(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """A reduction of some axes."""
    x = pool[-1]
    name = one_of(rng, *(n for n in REDUCTIONS if n not in ("ReduceLogSum", "ReduceProd")))
    axes = [a % x.ndim if opset < 11 else a for a in some_axes(rng, x.ndim)]
    keep = {"keepdims": one_of(rng, 0, 1, 1)}
    if opset < 18 and not (name == "ReduceSum" and opset >= 13):
        return Draw(name, [x], keep | {"axes": axes})
    return Draw(name, [x, int64(axes)], keep)


def softmax(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Softmax along any axis."""
    x = pool[-1]
    axis = int(rng.integers(x.ndim))
    return Draw(one_of(rng, "Softmax", "LogSoftmax"), [x], {"axis": axis})


def transpose(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Axes in another order."""
    x = pool[-1]
    return Draw("Transpose", [x], {"perm": [int(a) for a in rng.permutation(x.ndim)]})


def reshape(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Axes joined, left as they are, and inferred."""
    x = pool[-1]
    if x.ndim >= 3:
        shape = one_of(rng, [0, 0, -1], [0, -1, x.shape[-1]], [1, -1, x.shape[-1]])
    else:
        shape = one_of(rng, [1, 1, *x.shape], [1, *x.shape], [0, -1])
    return Draw("Reshape", [x, int64(shape)])


def pad(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Padding of any axis in any mode."""
    x = pool[-1]
    mode = one_of(rng, "constant", "edge", "reflect")
    low = -1 if mode == "constant" else 0
    pads = [int(n) for n in rng.integers(low, 2, 2 * x.ndim)]
    if opset < 11:
        return Draw("Pad", [x], {"pads": pads, "mode": mode})
    return Draw("Pad", [x, int64(pads)], {"mode": mode})


def cut(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """A slice along one axis or two, or the tensor split into uneven parts."""
    x = pool[-1]
    axis = int(np.argmax(x.shape))
    size = x.shape[axis]
    if size > 2 and flip(rng):
        first = int(rng.integers(1, size))
        parts = [first, size - first]
        if opset < 13:
            return Draw("Split", [x], {"axis": axis, "split": parts}, outputs=2)
        return Draw("Split", [x, int64(parts)], {"axis": axis}, outputs=2)
    step = int(rng.integers(1, 3)) if opset >= 10 else 1
    begin, end = int(rng.integers(0, (size + 1) // 2)), one_of(rng, size, 2**31 - 1)
    if opset < 10:
        return Draw("Slice", [x], {"axes": [axis], "starts": [begin], "ends": [end]})
    if flip(rng):
        begin, end, step = size - 1, -size - 1, -step
    return Draw("Slice", [x, *(int64([v]) for v in (begin, end, axis, step))])


def gather(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Rows by known indices."""
    x = pool[-1]
    axis = int(rng.integers(x.ndim))
    low = -x.shape[axis] if opset >= 11 else 0
    indices = rng.integers(low, x.shape[axis], sizes(rng, int(rng.integers(1, 3)), 1, 3))
    return Draw("Gather", [x, np.asarray(indices, "int64")], {"axis": axis})


def matmul(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw | None:
    """A product with weights, or with another tensor of the graph."""
    x = pool[-1]
    if x.ndim < 2:
        return None
    others = [y for y in pool[:-1] if y.ndim == x.ndim and y.shape[:-1] == _turned(x.shape)]
    if others and flip(rng):
        return Draw("MatMul", [x, one_of(rng, *others)])
    w = floats(rng, x.shape[-1], int(rng.integers(1, 8))) / np.float32(2)
    if x.ndim == 2 and flip(rng):
        given = {"transB": 1, "alpha": 0.5, "beta": one_of(rng, 1.0, 2.0)}
        return Draw("Gemm", [x, np.ascontiguousarray(w.T), floats(rng, w.shape[1])], given)
    return Draw("MatMul", [x, w])


def layer_norm(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw | None:
    """Normalization of the last axes."""
    x = pool[-1]
    if opset < 17:
        return None
    axis = int(rng.integers(1, x.ndim + 1)) - x.ndim - 1
    scale, bias = floats(rng, *x.shape[axis:]), floats(rng, *x.shape[axis:])
    return Draw("LayerNormalization", [x, scale, bias], {"axis": axis, "epsilon": 0.1})


def recurrent(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw | None:
    """A recurrent layer."""
    x = pool[-1]
    if x.ndim != 3 or x.shape[0] > 8:
        return None
    kind, hidden = one_of(rng, "RNN", "GRU", "LSTM"), int(rng.integers(1, 5))
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    direction = one_of(rng, "forward", "reverse", "bidirectional")
    both = 2 if direction == "bidirectional" else 1
    weights = [floats(rng, both, gates * hidden, n) / np.float32(2) for n in (x.shape[-1], hidden)]
    bias = floats(rng, both, 2 * gates * hidden)
    attributes: dict = {"hidden_size": hidden, "direction": direction}
    if kind == "GRU":
        attributes["linear_before_reset"] = one_of(rng, 0, 1)
    return Draw(kind, [x, *weights, bias], attributes)


def _turned(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1])


def _fits(other: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return len(np.broadcast_shapes(other, shape)) == len(shape)
    except ValueError:
        return False


def _beside(other: tuple[int, ...], shape: tuple[int, ...], axis: int) -> bool:
    return len(other) == len(shape) and all(
        a == b for k, (a, b) in enumerate(zip(other, shape, strict=True)) if k != axis
    )


ANY: tuple[Step, ...] = (
    activation, activation, join, join, concat, concat, reduction, softmax, transpose, reshape,
    pad, cut, gather, matmul, layer_norm, recurrent,
)  # fmt: skip
