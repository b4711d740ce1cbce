# SPDX-License-Identifier: Apache-2.0
"""Softmax of rows: the largest element and the sum of exponentials in vectors.

TVM's schedules take one element after the other, which rounds a long sum badly, and waits for each.
"""

from __future__ import annotations

from tvm import te, tir

from ..machine import VectorUnit
from .chunks import side_by_side
from .stages import stages_of

_TAGS = ("softmax_output", "log_softmax_output")


def rows(out: te.Tensor, unit: VectorUnit) -> te.Schedule | None:
    """Softmax or its logarithm along the last axis, whatever is computed of it behind.

    Parameters
    ----------
    out : te.Tensor
        The kernel's one result.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    schedule : te.Schedule or None
        None along another axis, of short rows, of shapes that are not static, and of a type that
        the unit lacks.
    """
    stages = [op for op in stages_of(out) if isinstance(op, te.ComputeOp)]
    # all stages of a softmax have its tag, the last of them its axis
    found = [op for op in stages if op.tag in _TAGS and "axis" in (op.attrs or ())]
    if len(found) != 1 or not _is_known(found[0], out, unit):
        return None
    schedule, stage_of_rows = te.create_schedule(out.op), found[0]
    sources = [t.op for t in stage_of_rows.input_tensors if isinstance(t.op, te.ComputeOp)]
    inner = [op for op in stages_of(stage_of_rows.output(0)) if op != stage_of_rows]
    sums = [op for op in inner if isinstance(op, te.ComputeOp) and op.reduce_axis]
    stage = schedule[out]
    each = stage.fuse(*out.op.axis[:-1])
    stage.parallel(each)
    _in_vectors(stage, out.op.axis[-1], unit)
    for op in stages:
        if op in (out.op, *sums):
            continue
        if op in sources:  # the exponentials, which are summed and divided
            schedule[op].compute_at(stage, each)
            _in_vectors(schedule[op], op.axis[-1], unit)
        else:
            schedule[op].compute_inline()
    for op in sums:
        parts = side_by_side(schedule, op.output(0), unit.step)
        schedule[op].compute_at(stage, each)
        schedule[parts].compute_at(stage, each)
    return schedule


def _is_known(op: te.ComputeOp, out: te.Tensor, unit: VectorUnit) -> bool:
    shapes = [*out.shape, *op.output(0).shape]
    if not all(isinstance(n, tir.IntImm) for n in shapes):
        return False
    shape = [int(n) for n in out.shape]
    if shape != [int(n) for n in op.output(0).shape] or 0 in shape or len(shape) < 2:
        return False
    along_rows = int(op.attrs["axis"]) % len(shape) == len(shape) - 1
    types = {out.dtype, op.output(0).dtype}
    return along_rows and shape[-1] >= 2 * unit.step and types <= set(unit.floats)


def _in_vectors(stage: te.Stage, axis: tir.IterVar, unit: VectorUnit) -> None:
    _, lane = stage.split(axis, factor=unit.step)
    stage.vectorize(lane)
