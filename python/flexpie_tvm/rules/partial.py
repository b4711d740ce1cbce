# SPDX-License-Identifier: Apache-2.0
"""Partial results: operators that sum (or take the maximum) over an axis, cut along it.

A board that holds rows 0 to 27 of a 56-row map can pool them globally by itself: its mean
counts half, and adding the boards' vectors gives the whole mean. The map stays where it is.
In the same way a convolution over a share of its input channels gives a share of every
output, to be added up. What is cut is the operator's first input; its ``share`` is a box of
that input, whole along all axes that are not reduced.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ..graph import Op, Region, whole
from .base import Tile
from .layout import parse_layout
from .reduce import reduced_axes
from .table import rule_for

DTYPES = ("float32", "int32")
POOLS = {
    "nn.global_avg_pool2d": "sum",
    "nn.adaptive_avg_pool2d": "sum",
    "nn.global_max_pool2d": "max",
    "nn.adaptive_max_pool2d": "max",
}
REDUCTIONS = {"sum": "sum", "mean": "sum", "max": "max"}
CONVOLUTIONS = ("nn.conv1d", "nn.conv2d", "nn.conv3d", "nn.contrib_conv2d_NCHWc")
PRODUCTS = ("nn.dense", "nn.matmul", "nn.batch_matmul")
UNIT = 2.0**-24  # relative rounding of one float32 addition
#: Sums longer than this allows are not made in parts by a planner. Two orders of one sum then
#: differ by at most twice as much, half of the 1e-4 by which answers may differ.
ROUNDING = 2.5e-5


def reducible_axes(op: Op) -> frozenset[int]:
    """The axes of the first input along which partial results can be made; empty for most.

    Parameters
    ----------
    op : Op
        Its shapes, type and attributes.
    """
    if len(op.outputs) != 1 or op.dtype not in DTYPES:
        return frozenset()
    if not op.in_shapes or 0 in op.in_shapes[0]:  # zeros() reads nothing
        return frozenset()
    if op.dtype == "int32" and _is_mean(op):
        return frozenset()
    if op.kind in POOLS:
        return _pooled_axes(op)
    if op.kind in REDUCTIONS:
        return reduced_axes(op)
    axis = contracted_axis(op)
    return frozenset() if axis is None else frozenset((axis,))


def contracted_axis(op: Op) -> int | None:
    """The first input's axis that a convolution or matrix product sums over.

    Parameters
    ----------
    op : Op
        None is the answer for any other kind.
    """
    pair = _contraction(op)
    return None if pair is None else pair[0]


def combine_of(op: Op) -> str:
    """How partial results become whole: ``sum`` or ``max``.

    Parameters
    ----------
    op : Op
        One with `reducible_axes`.
    """
    return POOLS.get(op.kind) or REDUCTIONS.get(op.kind) or "sum"


def parts_keep_precision(op: Op) -> bool:
    """Whether partial results, combined in any order, stay well within the tolerance.

    Parameters
    ----------
    op : Op
        One with `reducible_axes`; maxima and integers always do.
    """
    return combine_of(op) == "max" or op.dtype == "int32" or sum_rounding(op) <= ROUNDING


def sum_rounding(op: Op) -> float:
    """How far an order of summation can move a float32 result, relative to its summands.

    A sum of n numbers is rounded n - 1 times. A mean may add equal numbers (a blank page), and
    then all roundings go the same way: n * 2^-24. Products with weights differ in sign and
    size; their roundings are independent and add up to sqrt(n) * 2^-24 (N. Higham and
    T. Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019).

    Parameters
    ----------
    op : Op
        One with `reducible_axes` that adds up.
    """
    if _contraction(op) is None:
        return prod(op.in_shapes[0][a] for a in reducible_axes(op)) * UNIT
    products = rule_for(op).flops(op, whole(op.out_shape)) / (2 * prod(op.out_shape))
    return products**0.5 * UNIT


def partial_tile(op: Op, region: Region, share: Region) -> Tile:
    """The tile that computes ``region`` of the output from a share of the first input.

    Parameters
    ----------
    op : Op
        With `reducible_axes`.
    region : Region
        What is computed, not empty.
    share : Region
        Box of the first input; only reduced axes may be cut.
    """
    tile = rule_for(op).tile(op, region)
    axes = reducible_axes(op)
    data = tile.inputs[0]
    for axis in axes:
        data = data.replace(axis, *share.bounds[axis])
    inputs = (data, *tile.inputs[1:])
    pair = _contraction(op)
    if pair is not None:
        weight = tile.inputs[1].replace(pair[1], *share.bounds[pair[0]])
        inputs = (data, weight, *tile.inputs[2:])
    full = op.in_shapes[0]
    depth = prod(share.shape[a] for a in axes) / prod(full[a] for a in axes)
    return replace(tile, inputs=inputs, scale=depth if _is_mean(op) else 1.0, depth=depth)


def _is_mean(op: Op) -> bool:
    return "avg_pool" in op.kind or op.kind == "mean"


def _pooled_axes(op: Op) -> frozenset[int]:
    layout = parse_layout(op.attrs["layout"])
    axes = frozenset(layout.index(letter) for letter in "HW")
    return axes if all(op.out_shape[a] == 1 for a in axes) else frozenset()


def _contraction(op: Op) -> tuple[int, int] | None:
    """The summed axis of the first and of the second input."""
    if op.kind in CONVOLUTIONS:
        data, kernel = (parse_layout(op.attrs[k]) for k in ("data_layout", "kernel_layout"))
        pair = data.index("C"), kernel.index("I")
        fits = op.attrs["groups"] == 1 and op.in_shapes[0][pair[0]] == op.in_shapes[1][pair[1]]
        return pair if fits else None
    if op.kind not in PRODUCTS:
        return None
    first, second = (len(shape) for shape in op.in_shapes[:2])
    if op.kind == "nn.dense":
        return first - 1, 1
    a = first - 2 if op.attrs["transpose_a"] else first - 1
    b = second - 1 if op.attrs["transpose_b"] else second - 2
    return a, b
