# SPDX-License-Identifier: Apache-2.0
"""Long sums of float16 as sums of short ones.

A sum rounds with every term that is added, by half a step of what it has come to: of a thousand
terms of float16 the last two or three bits are noise. Sums of some hundred terms, added up, round
as often at a small number, and at a large one some ten times only. The total stays float16, so that
it needs no more registers; it is touched once in a hundred terms.
"""

from __future__ import annotations

from tvm import te

from ..graph.arithmetic import largest_divisor

#: Terms of a short sum, at most, by the type of sums; others are summed at once.
MOST_TERMS = {"float16": 192}
#: Of fewer terms they cost more than they are worth.
LEAST_TERMS = 48
NAME = "short_sums"


def short_step(extent: int, terms: int, dtype: str) -> int:
    """How many steps of a reduction make a short sum: a divisor of them, or all.

    Parameters
    ----------
    extent : int
        Steps of the whole sum.
    terms : int
        Of one step.
    dtype : str
        Of the sums.
    """
    most = MOST_TERMS.get(dtype)
    if most is None:
        return extent
    step = largest_divisor(extent, max(1, most // terms))
    return step if step * terms >= LEAST_TERMS else extent


def summed_up(short: te.Tensor, name: str, tag: str, attrs: dict) -> te.Tensor:
    """The sums of short ones, which lie along the first axis; named and tagged as a kernel's."""
    count, *shape = short.shape
    q = te.reduce_axis((0, count), "q")
    return te.compute(shape, lambda *at: te.sum(short[(q, *at)], axis=q), name, tag, attrs)


def products_of(sums: te.ComputeOp) -> te.ComputeOp:
    """What multiplies: the short sums, or the kernel's own."""
    first = sums.input_tensors[0].op
    return first if first.name == NAME else sums


def schedule_short(s: te.Schedule, sums: te.Tensor, short: te.Tensor) -> None:
    """Sum the short ones of a tile one after the other, each in registers.

    Parameters
    ----------
    s : te.Schedule
        Where the total has its place already.
    sums, short : te.Tensor
        The total, and what it sums. All but the total's first axis are taken apart.
    """
    first, *axes, lane = s[sums].op.axis
    (q,) = s[sums].op.reduce_axis
    s[sums].reorder(first, q, *axes, lane)
    for axis in axes:
        s[sums].unroll(axis)
    s[sums].vectorize(lane)
    s[short].compute_at(s[sums], q)
