# SPDX-License-Identifier: Apache-2.0
"""Long sums as sums of chunks.

A sum rounds with every term that is added, by half a step of what it has come to. Of n pixels that
are added one after the other the last bits of some log2(n) are noise, and a blank page, whose
roundings all go one way, is off by n / 2 steps. Chunks of about the root of n terms, each summed by
itself, and then summed up, round as often but at small numbers: the longest way of a term into
the sum is twice the root of n additions (N. Higham, The Accuracy of Floating Point Summation, 1993,
where pairwise sums are the same idea to its end).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt, prod

import tvm
from tvm import te, tir

from ..graph.arithmetic import largest_divisor

#: Sums of up to so many terms one after the other are as exact as other engines'.
MOST_TERMS = 64
#: Fewer make a chunk cost more than it is worth.
LEAST_TERMS = 24


def is_sum(op: te.ComputeOp) -> bool:
    """Whether a reduction adds up, and not, say, takes the largest element."""
    results = op.body[0].combiner.result
    return len(results) == 1 and isinstance(results[0], tir.Add)


def chunk_of(extents: Sequence[int]) -> tuple[int, int] | None:
    """Where a sum over some axes, the last the fastest, is cut into chunks.

    Parameters
    ----------
    extents : sequence of int
        Of the axes.

    Returns
    -------
    axis, size : (int, int) or None
        A chunk is ``size`` steps of an axis, and all of the axes behind. None if the whole sum
        is short, or has no cut that is worth it.
    """
    terms = prod(extents)
    if terms <= MOST_TERMS:
        return None
    wanted, inner = max(LEAST_TERMS, isqrt(terms)), 1
    for axis in reversed(range(len(extents))):
        if inner * extents[axis] > wanted or axis == 0:
            return axis, _size(extents[axis], max(1, wanted // inner), inner == 1)
        inner *= extents[axis]
    return None


def _size(extent: int, most: int, alone: bool) -> int:
    """A divisor where there is a good one; else the last chunk is smaller."""
    found = largest_divisor(extent, most)
    return found if 2 * found >= most or (found > 1 and not alone) else most


def in_chunks(schedule: te.Schedule, total: te.Tensor, extents: Sequence[int]) -> te.Tensor | None:
    """Take a sum apart, in a schedule in which it has no place yet.

    Parameters
    ----------
    schedule : te.Schedule
        Where no axis that the sum reduces has been split.
    total : te.Tensor
        The sum.
    extents : sequence of int
        Of the axes that it reduces.

    Returns
    -------
    chunks : te.Tensor or None
        What is summed up now, along a first axis of its own. None if the sum is short.
    """
    cut = chunk_of(extents) if is_sum(total.op) else None
    if cut is None:
        return None
    axis, size = cut
    stage = schedule[total]
    axes = list(stage.op.reduce_axis)
    outer, _ = stage.split(axes[axis], factor=size)
    if axis:
        outer = stage.fuse(*axes[:axis], outer)
    return schedule.rfactor(total, outer)


def side_by_side(schedule: te.Schedule, total: te.Tensor, step: int) -> te.Tensor:
    """Take a sum of neighbours apart into some that are summed as a vector.

    Parameters
    ----------
    schedule : te.Schedule
        Where no axis that the sum reduces has been split.
    total : te.Tensor
        The sum, whose terms lie beside each other.
    step : int
        Sums side by side.

    Returns
    -------
    parts : te.Tensor
        The sums side by side, along a first axis, which ``total`` adds up. It has no place yet;
        where it is long, what it is made of has one in it.
    """
    elements = schedule[total].fuse(*schedule[total].op.reduce_axis)
    _, lane = schedule[total].split(elements, factor=step)
    parts = schedule.rfactor(total, lane)
    (steps,) = schedule[parts].op.reduce_axis
    extent = int(tvm.arith.Analyzer().simplify(steps.dom.extent))
    chunks = in_chunks(schedule, parts, [extent])
    window = sum_as_vector(schedule[parts], lane=0)
    if chunks is not None:
        schedule[chunks].compute_at(schedule[parts], window[0])
        sum_as_vector(schedule[chunks], lane=1)
    return parts


def sum_as_vector(stage: te.Stage, lane: int = -1) -> list[tir.IterVar]:
    """Add up vectors along one of a sum's axes; the axes that it reduces, in their order."""
    axes = list(stage.op.axis)
    vector = axes.pop(lane)
    window = [axis for axis in stage.leaf_iter_vars if axis.iter_type == tir.IterVar.CommReduce]
    stage.reorder(*axes, *window, vector)
    stage.vectorize(vector)
    return window
