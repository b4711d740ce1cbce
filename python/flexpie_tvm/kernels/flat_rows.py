# SPDX-License-Identifier: Apache-2.0
"""Kernels that read tensors in the order in which they write, as one long row.

TVM's schedule takes each row of an image in vectors of its own. A slice of channels reads all
its rows from one run of memory, as it writes them: here their ends are no ends of vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import tvm
from tvm import te, tir

from ..machine import VectorUnit
from .stages import bounds_of, inlined, loads_of, stages_of, uses

Read = tuple[te.Tensor, Sequence[tir.PrimExpr]]


def one_row(out: te.Tensor, unit: VectorUnit) -> te.Schedule | None:
    """A schedule that runs through as many of the last dimensions as there are in one go.

    Parameters
    ----------
    out : te.Tensor
        The kernel's one result, of any shape.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    schedule : te.Schedule or None
        None if not even two dimensions are read as they are written.
    """
    kept = _kept(out)
    if kept is None or kept == len(out.shape) - 1:
        return None
    schedule = inlined(out)
    stage = schedule[out]
    axes = list(out.op.axis)
    steps, lane = stage.split(stage.fuse(*axes[kept:]), factor=unit.step)
    stage.vectorize(lane)
    stage.parallel(stage.fuse(*axes[:kept]) if kept else steps)
    return schedule


def _kept(out: te.Tensor) -> int | None:
    """How many dimensions remain; None if not even rows are read as they are written."""
    if not all(isinstance(op, te.ComputeOp) and op.num_outputs == 1 for op in stages_of(out)):
        return None
    reads = list(_reads(out.op, [axis.var for axis in out.op.axis]))
    analyzer = bounds_of(out.op)
    choices = range(len(out.shape))
    return next((kept for kept in choices if _in_order(out, kept, reads, analyzer)), None)


def _in_order(
    out: te.Tensor, kept: int, reads: Sequence[Read], analyzer: tvm.arith.Analyzer
) -> bool:
    """Whether dimensions behind ``kept`` are read as they are written, or not looked at."""
    variables = [axis.var for axis in out.op.axis]
    written = _place(out.shape[kept:], variables[kept:])
    for tensor, indices in reads:
        place = analyzer.simplify(_place(tensor.shape, indices))
        moved = analyzer.simplify(place - written)
        if uses(place, variables[kept:]) and uses(moved, variables[kept:]):
            return False
    return True


def _place(shape: Sequence[tir.PrimExpr], indices: Sequence[tir.PrimExpr]) -> tir.PrimExpr:
    """Where an element lies from the start of a tensor."""
    place = tir.const(0, "int32")
    for extent, index in zip(shape, indices, strict=True):
        place = place * extent + index
    return place


def _reads(op: te.ComputeOp, indices: Sequence[tir.PrimExpr]) -> Iterator[Read]:
    """All that is read for one element of a stage's result."""
    chosen = {axis.var: index for axis, index in zip(op.axis, indices, strict=True)}
    for load in loads_of(op.body):
        read = [tir.stmt_functor.substitute(index, chosen) for index in load.indices]
        source = load.producer.op
        if isinstance(source, te.ComputeOp):
            yield from _reads(source, read)
        else:
            yield load.producer, read
