# SPDX-License-Identifier: Apache-2.0
"""Vectors that are read from a few places: as whole vectors, and a shuffle of their lanes.

TVM's code reads a vector at any indices but ``i, i + 1, i + 2, ...`` lane by lane. A row that is
resized by 2 reads 16 lanes at ``i, i, i + 1, i + 1, ...``, one of pixels that were channels at
``i, j, i + 1, j + 1, ...``: both lie in 16 elements, which are one or two reads and one shuffle.
How far the lanes are from each other must be known when the kernel is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tvm
from tvm import tir

from ...machine import VectorUnit
from ..target import current_unit

#: Elements beside each other that lanes skip, at most, for which they are still read together.
MOST_SKIPPED = 3
#: Lanes per read below which reading lane by lane is as well.
LEAST_LANES = 2

_SUMS = (tir.Add, tir.Sub, tir.Mul, tir.Min, tir.Max)
_BINARY = (*_SUMS, tir.Div, tir.Mod, tir.FloorDiv, tir.FloorMod)


def shuffled_reads() -> tvm.transform.Pass:
    """A pass over vectorized kernels for a known vector unit, for ``tir.add_lower_pass``."""

    def run(function: tir.PrimFunc, *_) -> tir.PrimFunc:
        unit = current_unit()
        if unit is None:
            return function
        bounds: list[tvm.arith.Analyzer] = []

        def change(load: tir.BufferLoad) -> tir.PrimExpr | None:
            if len(load.indices) != 1 or _read_at_once(load.indices[0]):
                return None
            if not bounds:  # few kernels have such reads
                bounds.append(bounded(function.body))
            return _shuffled(load, bounds[0], unit.step)

        body = tir.stmt_functor.ir_transform(function.body, None, change, ["tir.BufferLoad"])
        return function.with_body(body)

    return tir.transform.prim_func_pass(run, opt_level=0, name="ShuffledReads")


def bounded(body: tir.Stmt) -> tvm.arith.Analyzer:
    """What is known of the loops' variables."""
    analyzer = tvm.arith.Analyzer()

    def visit(node) -> None:
        if isinstance(node, tir.For):
            analyzer.bind(node.loop_var, tvm.ir.Range.from_min_extent(node.min, node.extent))

    tir.stmt_functor.post_order_visit(body, visit)
    return analyzer


def fixed_offsets(
    index: Callable[[int], tir.PrimExpr | None], lanes: int, analyzer: tvm.arith.Analyzer
) -> list[int] | None:
    """How far each lane reads from the first; None if that depends on anything else.

    Parameters
    ----------
    index : function of int
        Where a lane reads, or None.
    lanes : int
        Their number.
    analyzer : tvm.arith.Analyzer
        It knows the bounds of all other variables.
    """
    first = index(0)
    found: list[int] = []
    for lane in range(lanes):
        one = None if first is None else index(lane)
        away = None if one is None else analyzer.simplify(one - first)
        if not isinstance(away, tir.IntImm):
            return None
        found.append(int(away))
    return found


def reads(offsets: Sequence[int], widest: int) -> list[tuple[int, int]]:
    """What to read for lanes at such offsets: where, and how many elements; nothing beyond them.

    Parameters
    ----------
    offsets : sequence of int
        Of each lane, from anywhere.
    widest : int
        Elements of a read at most.
    """
    spans: list[list[int]] = []
    for offset in sorted(set(offsets)):
        if spans and offset - spans[-1][1] <= MOST_SKIPPED + 1:
            spans[-1][1] = offset
        else:
            spans.append([offset, offset])
    return [read for low, high in spans for read in _whole_reads(low, high + 1 - low, widest)]


def _whole_reads(start: int, size: int, widest: int) -> list[tuple[int, int]]:
    """Reads of elements beside each other, in a power of two each: LLVM takes others apart."""
    width = min(widest, 1 << size.bit_length() - 1)
    # the last read overlaps one before it
    return [(start + min(k, size - width), width) for k in range(0, size, width)]


def worth_shuffling(offsets: Sequence[int], widest: int) -> bool:
    """Whether lanes at such offsets are read faster together than one by one."""
    return len(offsets) >= LEAST_LANES * len(reads(offsets, widest))


def lane_of(vector: tir.PrimExpr, lane: int) -> tir.PrimExpr | None:
    """One lane of a vector of integers; None if it is computed in a way not known here."""
    if not tvm.DataType(vector.dtype).lanes > 1:
        return vector
    if isinstance(vector, tir.Broadcast):
        return vector.value
    if isinstance(vector, tir.Ramp):
        return vector.base + vector.stride * lane
    if isinstance(vector, _BINARY):
        a, b = lane_of(vector.a, lane), lane_of(vector.b, lane)
        return None if a is None or b is None else type(vector)(a, b)
    return None


def is_shuffled(
    load: tir.BufferLoad, loop: tir.For, analyzer: tvm.arith.Analyzer, unit: VectorUnit
) -> bool:
    """Whether what a loop reads becomes reads and a shuffle when the loop becomes a vector."""
    if len(load.indices) != 1 or not isinstance(loop.extent, tir.IntImm):
        return False

    def index(lane: int) -> tir.PrimExpr:
        return tir.stmt_functor.substitute(load.indices[0], {loop.loop_var: loop.min + lane})

    offsets = fixed_offsets(index, int(loop.extent), analyzer)
    return offsets is not None and worth_shuffling(offsets, unit.step)


def _shuffled(
    load: tir.BufferLoad, analyzer: tvm.arith.Analyzer, widest: int
) -> tir.PrimExpr | None:
    lanes, element = tvm.DataType(load.dtype).lanes, tvm.DataType(load.buffer.dtype)
    if lanes <= 1 or element.lanes != 1 or element.bits < 8 or load.predicate is not None:
        return None
    index = load.indices[0]
    offsets = fixed_offsets(lambda lane: lane_of(index, lane), lanes, analyzer)
    if offsets is None or not worth_shuffling(offsets, widest):
        return None
    first = analyzer.simplify(lane_of(index, 0))
    return _read_together(load.buffer, first, offsets, widest)


def _read_at_once(index: tir.PrimExpr) -> bool:
    """Whether TVM's code reads what is at such an index at once: one number, or a vector."""
    if isinstance(index, tir.Ramp):
        return isinstance(index.stride, tir.IntImm) and int(index.stride) == 1
    return isinstance(index, tir.Broadcast) or "x" not in index.dtype


def _read_together(
    buffer: tir.Buffer, first: tir.PrimExpr, offsets: Sequence[int], widest: int
) -> tir.PrimExpr:
    """The lanes at offsets from the first one's index."""
    places = reads(offsets, widest)
    width = max(width for _, width in places)
    vectors = [_widened(_read(buffer, first + start, size), width) for start, size in places]
    lanes = [
        next(
            k * width + offset - start
            for k, (start, size) in enumerate(places)
            if start <= offset < start + size
        )
        for offset in offsets
    ]
    # TVM wants no more lanes than it is given; LLVM sees that they are the same.
    return tir.Shuffle(vectors * -(-len(lanes) // (len(places) * width)), lanes)


def _read(buffer: tir.Buffer, start: tir.PrimExpr, size: int) -> tir.PrimExpr:
    return tir.BufferLoad(buffer, [start if size == 1 else tir.Ramp(start, 1, size)])


def _widened(vector: tir.PrimExpr, width: int) -> tir.PrimExpr:
    """A vector with any more lanes: TVM wants vectors of one width where there are several."""
    lanes = tvm.DataType(vector.dtype).lanes
    if lanes == width:
        return vector
    if lanes == 1:
        return tir.Broadcast(vector, width)
    return tir.Shuffle([vector] * (width // lanes), list(range(lanes)) * (width // lanes))
