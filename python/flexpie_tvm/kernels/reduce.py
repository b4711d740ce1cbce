# SPDX-License-Identifier: Apache-2.0
"""Pools, sums and local response normalisation in vectors.

TVM's x86 schedules add up one element after the other, and leave it to LLVM to find vectors: it
finds them in a global pool over 7x7 pixels, not over 10x10, which takes ten times as long per
element. A network's cost then jumps with the sizes of its tiles. Here

* what is summed beside each other in memory, as the channels of a block, is summed as a vector;
* whole rows are summed in some sums side by side (`VectorUnit.step`), which are then added up;
* long sums are sums of chunks (`chunks.py`), for their rounding;
* local responses are summed and normalised channel by channel, the pixels in vectors.

Largest elements are "summed" alike. Other reductions stay with TVM's schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple

import tvm
from tvm import te, tir, topi

from ..machine import VectorUnit
from .chunks import MOST_TERMS, in_chunks, side_by_side, sum_as_vector
from .stages import bounds_of, loads_of, stages_of, uses
from .tir.vector_math import calls_functions

#: Windows of up to so many elements are unrolled.
MOST_UNROLLED = 25


class Reduction(NamedTuple):
    """A kernel with one sum: its result, the sum (maybe the same), and all that is inlined."""

    out: te.Tensor
    total: te.Tensor
    inlined: Sequence[te.Operation]

    def schedule(self) -> te.Schedule:
        """A schedule in which only the sum and the result are left."""
        schedule = te.create_schedule(self.out.op)
        for op in self.inlined:
            schedule[op].compute_inline()
        return schedule


def summed(out: te.Tensor, unit: VectorUnit) -> te.Schedule | None:
    """A pool or a sum, in vectors.

    Parameters
    ----------
    out : te.Tensor
        The kernel's one result, of any shape.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    schedule : te.Schedule or None
        None if it is neither, not static, or of a type that the unit lacks.
    """
    return _first((beside, along, apart), out, unit)


def normalised(out: te.Tensor, unit: VectorUnit) -> te.Schedule | None:
    """Local responses, normalised in vectors.

    Parameters
    ----------
    out : te.Tensor
        The kernel's one result, of any shape: ``(N, C, H, W)`` is known here.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    schedule : te.Schedule or None
        None if it is anything else, not static, or of a type that the unit lacks.
    """
    return _first((responses,), out, unit)


def beside(reduction: Reduction, unit: VectorUnit) -> te.Schedule | None:
    """Sums of elements that lie beside each other, as a vector."""
    out, total, _ = reduction
    columns = int(out.shape[-1]) if len(out.shape) > 1 else 1
    if columns == 1 or not _keeps_columns(reduction):
        return None
    extents, functions = _extents(total.op), _calls_functions(reduction)
    terms = prod(map(int, extents)) if _static(extents) else None
    # LLVM does well with longer rows, which need several vectors, unless there are functions
    if columns > unit.step and not functions and (terms is None or terms <= MOST_TERMS):
        return None
    short = terms is not None and terms <= MOST_UNROLLED
    if short and total.op.tag == topi.tag.COMM_REDUCE and not functions:
        return None  # LLVM unrolls such a sum of planes itself
    schedule = reduction.schedule()
    if total.op == out.op:
        total = schedule.cache_write(out, "global")  # small ones are only then on the stack
    chunks = in_chunks(schedule, total, list(map(int, extents))) if terms else None
    stage = schedule[out]
    *outer, last = out.op.axis
    vector, lane = stage.split(last, factor=min(columns, unit.step))
    stage.vectorize(lane)
    stage.parallel(stage.fuse(*outer[:3]))
    part = schedule[total]
    part.compute_at(stage, vector)
    window = sum_as_vector(part)
    if chunks is not None:
        schedule[chunks].compute_at(part, window[0])
        sum_as_vector(schedule[chunks])
    if short:
        for axis in window:
            part.unroll(axis)
    return schedule


def along(reduction: Reduction, unit: VectorUnit) -> te.Schedule | None:
    """Sums of whole rows or images, in sums side by side."""
    out, total, _ = reduction
    extents = _extents(total.op)
    if not _static(extents) or prod(map(int, extents)) < 2 * unit.step:
        return None
    if not _sums_all(total.op, list(map(int, extents))):
        return None
    schedule = reduction.schedule()
    parts = side_by_side(schedule, total, unit.step)
    stage = schedule[out]
    if not len(out.shape):
        return schedule
    each = stage.fuse(*stage.op.axis)
    stage.parallel(each)
    if out.op != total.op:
        schedule[total].compute_at(stage, each)
    schedule[parts].compute_at(stage, each)
    return schedule


def apart(reduction: Reduction, unit: VectorUnit) -> te.Schedule | None:
    """Other long sums, in chunks for their rounding alone."""
    out, total, _ = reduction
    extents = _extents(total.op)
    if not len(out.shape) or not _static(extents):
        return None
    schedule = reduction.schedule()
    chunks = in_chunks(schedule, total, list(map(int, extents)))
    if chunks is None:
        return None
    stage = schedule[out]
    each = stage.fuse(*stage.op.axis)
    stage.parallel(each)
    if out.op != total.op:
        schedule[total].compute_at(stage, each)
    schedule[chunks].compute_at(schedule[total], schedule[total].op.reduce_axis[0])
    return schedule


def responses(reduction: Reduction, unit: VectorUnit) -> te.Schedule | None:
    """Local response normalisation of images in NCHW."""
    out, total, _ = reduction
    if len(out.shape) != 4 or not _keeps_columns(reduction):
        return None
    schedule = reduction.schedule()
    stage = schedule[out]
    channels = stage.fuse(*out.op.axis[:2])
    stage.parallel(channels)
    _, lane = stage.split(stage.fuse(*out.op.axis[2:]), factor=unit.step)
    stage.vectorize(lane)
    part = schedule[total]
    part.compute_at(stage, channels)
    vectors, lane = part.split(part.fuse(*total.op.axis[2:]), factor=unit.step)
    part.reorder(vectors, *total.op.reduce_axis, lane)
    part.vectorize(lane)
    return schedule


def _first(ways: Sequence[Callable], out: te.Tensor, unit: VectorUnit) -> te.Schedule | None:
    """What the first way gives that knows such a kernel."""
    reduction = _reduction(out, unit)
    if reduction is None:
        return None
    return next((found for way in ways if (found := way(reduction, unit)) is not None), None)


def _reduction(out: te.Tensor, unit: VectorUnit) -> Reduction | None:
    """The kernel as one of floats that a unit knows, and static; None if it is any other."""
    stages = stages_of(out)
    sums = [op for op in stages if isinstance(op, te.ComputeOp) and op.reduce_axis]
    if len(sums) != 1 or sums[0].num_outputs != 1 or any(op.num_outputs != 1 for op in stages):
        return None
    total = sums[0].output(0)
    if out.dtype != total.dtype or out.dtype not in unit.floats:
        return None
    if not _static([*out.shape, *total.shape]):
        return None
    shape = [int(n) for n in out.shape]
    if shape != [int(n) for n in total.shape] or 0 in shape:
        return None
    return Reduction(out, total, [op for op in stages if op not in (out.op, total.op)])


def _static(extents: Sequence) -> bool:
    return all(isinstance(n, tir.IntImm) for n in extents)


def _extents(op: te.ComputeOp) -> list[tir.PrimExpr]:
    return [bounds_of(op).simplify(axis.dom.extent) for axis in op.reduce_axis]


def _keeps_columns(reduction: Reduction) -> bool:
    """Whether all columns of a row are summed alike, from columns beside each other."""
    op = reduction.total.op
    column = op.axis[-1].var
    if any(uses(x, [column]) for axis in op.reduce_axis for x in (axis.dom.min, axis.dom.extent)):
        return False
    for load in loads_of(op.body[0].source):
        moved = tvm.arith.Analyzer().simplify(load.indices[-1] - column)
        if any(uses(index, [column]) for index in [*load.indices[:-1], moved]):
            return False
    return not any(_asks_for_columns(source) for source in reduction.inlined)


def _calls_functions(reduction: Reduction) -> bool:
    """Whether what is summed is computed by functions such as exp."""
    computed = [op for op in reduction.inlined if isinstance(op, te.ComputeOp)]
    sources = [*reduction.total.op.body[0].source, *(x for op in computed for x in op.body)]
    return any(map(calls_functions, sources))


def _asks_for_columns(op: te.Operation) -> bool:
    """Whether an operator has a condition on columns, as padding has."""
    if not isinstance(op, te.ComputeOp) or not op.axis:
        return False
    column, found = op.axis[-1].var, False

    def visit(node) -> None:
        nonlocal found
        if isinstance(node, tir.Call) and node.op == tvm.ir.Op.get("tir.if_then_else"):
            found |= uses(node.args[0], [column])

    for value in op.body:
        tir.stmt_functor.post_order_visit(value, visit)
    return found


def _sums_all(op: te.ComputeOp, extents: Sequence[int]) -> bool:
    """Whether the last dimensions of one tensor are summed whole, in their order."""
    simplify, variables = bounds_of(op).simplify, [axis.var for axis in op.reduce_axis]
    loads = loads_of(op.body[0].source)
    if len({load.producer for load in loads}) != 1:
        return False
    for load in loads:
        count = len(variables)
        inner, shape = load.indices[-count:], load.producer.shape[-count:]
        if len(inner) != count or not _static(shape) or [int(n) for n in shape] != extents:
            return False
        if not all(v.same_as(simplify(i)) for v, i in zip(variables, inner, strict=True)):
            return False
        if any(uses(index, variables) for index in load.indices[:-count]):
            return False
    return True
