# SPDX-License-Identifier: Apache-2.0
"""Draws of operators that move, pick or reduce elements."""

from __future__ import annotations

import numpy as np

from .draws import Draw, flip, floats, int64, one_of, sizes, some_axes

REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
)  # fmt: skip


def reduction(rng: np.random.Generator, opset: int) -> Draw:
    """Any reduction; axes are an input since opset 18, of the sum since 13."""
    name, rank = one_of(rng, *REDUCTIONS), int(rng.integers(1, 5))
    x = floats(rng, *sizes(rng, rank))
    x = np.abs(x) + np.float32(0.1) if name == "ReduceLogSum" else x
    attributes: dict = {"keepdims": one_of(rng, None, 0, 1)}
    axes = None if rng.random() < 0.2 else some_axes(rng, rank)
    if opset < 18 and not (name == "ReduceSum" and opset >= 13):
        axes = [a % rank for a in axes] if axes and opset < 11 else axes
        return Draw(name, [x], attributes | {"axes": axes})
    attributes["noop_with_empty_axes"] = one_of(rng, None, 0, 1)
    if axes is None:
        return Draw(name, [x], attributes)
    return Draw(name, [x, int64(axes)], attributes, [1])


def arg_reduction(rng: np.random.Generator, opset: int) -> Draw:
    """The place of the largest or smallest element, with ties."""
    rank = int(rng.integers(1, 5))
    x = rng.integers(0, 4, sizes(rng, rank)).astype("float32")
    attributes = {"axis": int(rng.integers(rank)), "keepdims": one_of(rng, None, 0, 1)}
    if opset >= 12:
        attributes["select_last_index"] = one_of(rng, None, 0, 1)
    return Draw(one_of(rng, "ArgMax", "ArgMin"), [x], attributes)


def pad(rng: np.random.Generator, opset: int) -> Draw:
    """Padding in every mode, also below zero."""
    rank = int(rng.integers(1, 5))
    x = floats(rng, *sizes(rng, rank, 3, 7))
    modes = ["constant", "edge", "reflect"] + ["wrap"] * (opset >= 19)
    mode = one_of(rng, *modes)
    low = -1 if mode == "constant" else 0
    if opset < 11:
        pads = [int(n) for n in rng.integers(low, 3, 2 * rank)]
        return Draw("Pad", [x], {"pads": pads, "mode": mode, "value": 0.5})
    axes = some_axes(rng, rank) if opset >= 18 and flip(rng) else None
    count = rank if axes is None else len(axes)
    pads = int64(rng.integers(low, 3, 2 * count))
    value = np.array(1.5, "float32") if mode == "constant" and flip(rng) else None
    inputs = [x, pads, value] + ([] if axes is None else [int64(axes)])
    return Draw("Pad", inputs, {"mode": mode}, [1, 2, 3])


def split(rng: np.random.Generator, opset: int) -> Draw:
    """Pieces of given sizes, of one size, or a number of them."""
    rank = int(rng.integers(1, 4))
    shape, axis = list(sizes(rng, rank)), int(rng.integers(rank))
    pieces = [int(n) for n in rng.integers(1, 4, int(rng.integers(2, 5)))]
    given = {"axis": one_of(rng, axis, axis - rank) if opset >= 11 else axis}
    if flip(rng):
        shape[axis] = sum(pieces)
        x = floats(rng, *shape)
        if opset < 13:
            return Draw("Split", [x], given | {"split": pieces}, outputs=len(pieces))
        return Draw("Split", [x, int64(pieces)], given, [1], len(pieces))
    each, count = pieces[0], len(pieces)
    shape[axis] = each * count
    if opset >= 18:
        shape[axis] -= int(rng.integers(each))
        given["num_outputs"] = count
    return Draw("Split", [floats(rng, *shape)], given, outputs=count)


def top_k(rng: np.random.Generator, opset: int) -> Draw:
    """Largest or smallest elements, with ties."""
    rank = int(rng.integers(1, 4))
    x = rng.integers(-3, 4, sizes(rng, rank)).astype("float32")
    axis = int(rng.integers(rank))
    count = int(rng.integers(1, x.shape[axis] + 1))
    if opset < 10:
        return Draw("TopK", [x], {"axis": axis, "k": count}, outputs=2)
    attributes = {"axis": axis} | ({"largest": one_of(rng, 0, 1)} if opset >= 11 else {})
    return Draw("TopK", [x, int64([count])], attributes, [1], 2)


def slice_(rng: np.random.Generator, opset: int) -> Draw:
    """Parts with steps, forwards and backwards, with ends beyond the input."""
    rank = int(rng.integers(1, 5))
    x = floats(rng, *sizes(rng, rank, 3, 8))
    axes = some_axes(rng, rank)
    begins, ends, steps = [], [], []
    for a in axes:
        n, back = x.shape[a], opset >= 10 and rng.random() < 0.3
        low, high = sorted(int(v) for v in rng.choice(n + 1, 2, replace=False))
        step = int(rng.integers(1, 3)) if opset >= 10 else 1
        if back:
            begins.append(high - 1)
            ends.append(low - 1 if low else -n - 1)
        else:
            begins.append(low - (n if flip(rng) and low < n else 0))
            ends.append(high if flip(rng) and high < n else one_of(rng, high, 2**31 - 1))
        steps.append(-step if back else step)
    if opset < 10:
        axes = [a % rank for a in axes]
        return Draw("Slice", [x], {"axes": axes, "starts": begins, "ends": ends})
    inputs = [x, *(int64(v) for v in (begins, ends, axes, steps))]
    return Draw("Slice", inputs, constant=[1, 2, 3, 4])


def gather(rng: np.random.Generator, opset: int) -> Draw:
    """Elements by index, also from the end."""
    rank = int(rng.integers(1, 4))
    x, axis = floats(rng, *sizes(rng, rank, 2, 6)), int(rng.integers(rank))
    n, kind = x.shape[axis], one_of(rng, "Gather", "GatherElements")
    if kind == "Gather" or opset < 11:
        indices = rng.integers(-n if opset >= 11 else 0, n, sizes(rng, int(rng.integers(3)), 1, 3))
        kind = "Gather"
    else:
        shape = [int(rng.integers(1, m + 1)) for m in x.shape]
        indices = rng.integers(-n, n, shape)
    constant = [1] if flip(rng) else []
    return Draw(kind, [x, np.asarray(indices, "int64")], {"axis": axis}, constant)


def scatter(rng: np.random.Generator, opset: int) -> Draw:
    """Elements that are put somewhere, each place at most once."""
    rank = int(rng.integers(1, 4))
    x, axis = floats(rng, *sizes(rng, rank, 2, 6)), int(rng.integers(rank))
    shape = [int(rng.integers(1, m + 1)) for m in x.shape]
    order = np.argsort(rng.random(x.shape), axis)[tuple(slice(n) for n in shape)]
    name = "ScatterElements" if opset >= 11 else "Scatter"
    attributes: dict = {"axis": axis}
    if opset >= 16:
        attributes["reduction"] = one_of(rng, "none", "add", "mul")
    if opset >= 18:
        attributes["reduction"] = one_of(rng, "none", "add", "mul", "max", "min")
    return Draw(name, [x, order.astype("int64"), floats(rng, *shape)], attributes)


def shuffle(rng: np.random.Generator, opset: int) -> Draw:
    """Transposing, flattening, tiling, expanding, squeezing, blocks and more."""
    rank = int(rng.integers(1, 5))
    x = floats(rng, *sizes(rng, rank))
    kind = one_of(
        rng, "Transpose", "Flatten", "Tile", "Expand", "Unsqueeze", "Squeeze", "DepthToSpace",
        "SpaceToDepth", "Concat", "Reshape", "CumSum", "Trilu",
    )  # fmt: skip
    if kind == "Transpose":
        perm = None if rng.random() < 0.2 else [int(n) for n in rng.permutation(rank)]
        return Draw(kind, [x], {"perm": perm})
    if kind == "Flatten":
        return Draw(kind, [x], {"axis": int(rng.integers(-rank if opset >= 11 else 0, rank + 1))})
    if kind == "Tile":
        return Draw(kind, [x, int64(rng.integers(1, 4, rank))], constant=[1])
    if kind == "Expand" and opset >= 8:
        shape = [n if flip(rng) else 1 for n in x.shape]
        return Draw(kind, [floats(rng, *shape), int64([2, *x.shape])], constant=[1])
    if kind == "Unsqueeze":
        axes = sorted({int(a) for a in rng.integers(0, rank + 1, 2)})
        if opset < 13:
            return Draw(kind, [x], {"axes": axes})
        return Draw(kind, [x, int64(axes)], constant=[1])
    if kind == "Squeeze":
        x = floats(rng, 1, 3, 1, 2)
        axes = one_of(rng, [0], [2], [0, 2])
        if opset < 13:
            return Draw(kind, [x], {"axes": axes})
        return Draw(kind, [x, int64(axes)], constant=[1])
    if kind == "DepthToSpace":
        mode = {"mode": one_of(rng, "DCR", "CRD")} if opset >= 11 else {}
        return Draw(kind, [floats(rng, 1, 8, 2, 3)], {"blocksize": 2} | mode)
    if kind == "SpaceToDepth":
        return Draw(kind, [floats(rng, 1, 2, 4, 6)], {"blocksize": 2})
    if kind == "CumSum" and opset >= 11:
        axis = np.array(int(rng.integers(-rank, rank)), "int32")
        flags = {"exclusive": one_of(rng, 0, 1), "reverse": one_of(rng, 0, 1)}
        return Draw(kind, [x, axis], flags, [1])
    if kind == "Trilu" and opset >= 14:
        x = floats(rng, *sizes(rng, int(rng.integers(2, 4))))
        k = np.array(int(rng.integers(-2, 3)), "int64")
        return Draw(kind, [x, k], {"upper": one_of(rng, 0, 1)}, [1])
    if kind == "Reshape":
        shape = [0, -1] if rank > 1 else [-1]
        return Draw(kind, [x, int64(shape)], constant=[1])
    axis = int(rng.integers(rank))
    others = [list(x.shape) for _ in range(2)]
    for other in others:
        other[axis] = int(rng.integers(1, 5))
    return Draw("Concat", [x, *(floats(rng, *shape) for shape in others)], {"axis": axis})


def one_hot(rng: np.random.Generator, opset: int) -> Draw:
    """A new axis with one element set; indices from the end, and outside."""
    depth, rank = int(rng.integers(2, 6)), int(rng.integers(1, 3))
    low = -depth if opset >= 11 else 0
    indices = rng.integers(low, depth, sizes(rng, rank)).astype("int64")
    values = np.array([0.5, 2.0], "float32")
    return Draw(
        "OneHot",
        [indices, np.array(depth, "int64"), values],
        {"axis": int(rng.integers(-1, rank + 1))},
        [1, 2],
    )
