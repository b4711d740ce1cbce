# SPDX-License-Identifier: Apache-2.0
"""Kernels that move elements, in an order that suits the cache and LLVM.

TVM's x86 schedule writes one row after the other. Where a row gathers elements that lie far
apart, each comes with a cache line of which the next rows need the rest. Of a large image it is
gone by then: from NCHW to NWCH takes 3 to 25 times as long per element as of a small one, the
most where sizes are multiples of the cache's. Here the rows that share cache lines are written
side by side, a vector of each at a time.

Runs of memory, and pixels that become blocks of pixels, are scheduled elsewhere.
"""

from __future__ import annotations

from math import prod

import tvm
from tvm import te, tir, topi

from ..machine import VectorUnit
from .flat_rows import one_row
from .pixel_blocks import blocks_of_pixels
from .stages import bounds_of, inlined, loads_of, stages_of

#: Elements of an image that fits the first cache, in whatever order it is read.
FEW_ELEMENTS = 2**14
#: Columns whose cache lines do not fit it, and those of which it depends on the image.
MOST_COLUMNS, MANY_COLUMNS, MANY_ELEMENTS = 512, 256, 2**17

_TRANSPOSES = ("T_transpose", "T_layout_trans")
_SLICES = ("T_strided_slice", "T_strided_slice_with_axes")
_MOVERS = (*_TRANSPOSES, *_SLICES, "depth_to_space", "resize")


def moved(out: te.Tensor, unit: VectorUnit) -> te.Schedule | None:
    """A kernel that moves elements, such as a transpose, a slice or a resize.

    Parameters
    ----------
    out : te.Tensor
        The kernel's one result, of any shape and type.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    schedule : te.Schedule or None
        None if it does anything else, or TVM's schedule does as well.
    """
    mover = _mover(out)
    if mover is None:
        return None
    if mover.name not in (*_TRANSPOSES, *_SLICES):
        return blocks_of_pixels(out, mover, unit)
    found = one_row(out, unit)
    return tiled(out, mover, unit) if found is None and mover.name in _TRANSPOSES else found


def tiled(out: te.Tensor, mover: te.ComputeOp, unit: VectorUnit) -> te.Schedule | None:
    """Rows that are read from the same cache lines side by side."""
    along, rows = _contiguous(mover, unit.step)
    last = len(out.shape) - 1
    if along in (None, last) or not _leaves_the_cache(out, neighbours=along == last - 1):
        return None
    schedule = inlined(out)
    stage = schedule[out]
    axes = list(out.op.axis)
    axes[along], row = stage.split(axes[along], factor=rows)
    axes[last], lane = stage.split(axes[last], factor=unit.step)
    stage.reorder(*axes, row, lane)
    stage.vectorize(lane)
    stage.parallel(stage.fuse(*axes[: min(last, 3)]))
    return schedule


def _leaves_the_cache(out: te.Tensor, neighbours: bool) -> bool:
    """Whether cache lines are gone before the next row wants them, ``neighbours`` if at once."""
    elements, columns = prod(map(int, out.shape)), int(out.shape[-1])
    if neighbours and columns < MOST_COLUMNS:
        return columns >= MANY_COLUMNS and elements >= MANY_ELEMENTS
    return elements >= FEW_ELEMENTS


def _contiguous(mover: te.ComputeOp, step: int) -> tuple[int | None, int]:
    """Which axis of the result is contiguous in the source, and how many to take together."""
    loads = loads_of(mover.body[:1])
    if len(loads) != 1:
        return None, 0
    index, rows = bounds_of(mover).simplify(loads[0].indices[-1]), step
    if isinstance(index, tir.FloorMod) and isinstance(index.b, tir.IntImm):
        index, rows = index.a, int(index.b)  # out of a block of channels
    found = [k for k, axis in enumerate(mover.axis) if axis.var.same_as(index)]
    return (found[0], rows) if found else (None, 0)


def _mover(out: te.Tensor) -> te.ComputeOp | None:
    """What moves elements in a static kernel that is otherwise element by element."""
    if not all(isinstance(n, tir.IntImm) and int(n) > 0 for n in out.shape):
        return None
    stages = stages_of(out)
    if not all(topi.tag.is_injective(op.tag) and op.num_outputs == 1 for op in stages):
        return None
    movers = [op for op in stages if op.name in _MOVERS]
    if len(movers) != 1 or not isinstance(movers[0], te.ComputeOp):
        return None
    same = tvm.ir.structural_equal(movers[0].output(0).shape, out.shape)
    return movers[0] if same else None
