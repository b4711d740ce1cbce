# SPDX-License-Identifier: Apache-2.0
"""Operators that copy, stack or reverse along an axis, or only look at another's shape."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region, empty, whole
from .base import Rule, Tile, default_axes


class Reverse(Rule):
    """Every axis is cuttable; the reversed one is read from the other end."""

    def tile(self, op: Op, region: Region) -> Tile:
        axis: int = op.attrs["axis"] % region.rank
        start, stop = region.bounds[axis]
        size = op.out_shape[axis]
        return Tile(region, (region.replace(axis, size - stop, size - start),))


class Repeat(Rule):
    """Every axis is cuttable, the repeated one between elements."""

    def tile(self, op: Op, region: Region) -> Tile:
        if op.attrs["axis"] is None:
            return super().tile(op, region)
        axis: int = op.attrs["axis"] % region.rank
        times: int = op.attrs["repeats"]
        start, stop = region.bounds[axis]
        start, stop = start // times, -(-stop // times)
        result = region.replace(axis, start * times, stop * times)
        return Tile(result, (region.replace(axis, start, stop),))


class Copies(Rule):
    """Every axis is cuttable, inside one copy and between copies."""

    def tile(self, op: Op, region: Region) -> Tile:
        rank = region.rank
        shape = (1,) * (rank - len(op.in_shapes[0])) + tuple(op.in_shapes[0])
        source: list[tuple[int, int]] = []
        result: list[tuple[int, int]] = []
        reps: list[int] = []
        for size, (start, stop) in zip(shape, region.bounds, strict=True):
            first, last = start // size, -(-stop // size)
            if last - first > 1:
                start, stop = first * size, last * size
                source.append((0, size))
            else:
                source.append((start - first * size, stop - first * size))
            result.append((start, stop))
            reps.append(last - first)
        tail = Region(tuple(source[rank - len(op.in_shapes[0]) :]))
        return Tile(Region(tuple(result)), (tail,), {"reps": tuple(reps)})

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return (
            inputs[0] if len(op.in_shapes[0]) == len(op.out_shape) else default_axes(op.out_shape)
        )


class Stack(Rule):
    """Every axis is cuttable; an input that the region does not meet is not read."""

    def tile(self, op: Op, region: Region) -> Tile:
        axis: int = op.attrs["axis"] % region.rank
        start, stop = region.bounds[axis]
        part = Region(region.bounds[:axis] + region.bounds[axis + 1 :])
        if part.rank == 0:
            return super().tile(op, region)
        inputs = tuple(
            part if start <= k < stop else empty(part.rank) for k in range(len(op.in_shapes))
        )
        return Tile(region, inputs)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return default_axes(op.out_shape)


class Dilate(Rule):
    """Every axis is cuttable; zeros stand between the elements."""

    def tile(self, op: Op, region: Region) -> Tile:
        source, result = region, region
        for axis, step in enumerate(op.attrs["strides"]):
            start, stop = region.bounds[axis]
            start, stop = start // step, -(-(stop - 1) // step) + 1
            source = source.replace(axis, start, stop)
            result = result.replace(axis, start * step, (stop - 1) * step + 1)
        return Tile(result, (source,))


class BroadcastTo(Rule):
    """Every axis is cuttable; of ``broadcast_to_like`` the second input has the region."""

    def tile(self, op: Op, region: Region) -> Tile:
        shape = op.in_shapes[0]
        tail = region.bounds[region.rank - len(shape) :]
        source = tuple((0, 1) if n == 1 else b for b, n in zip(tail, shape, strict=True))
        if op.kind == "broadcast_to_like":
            return Tile(region, (Region(source), region))
        others = tuple(whole(s) for s in op.in_shapes[1:])
        return Tile(region, (Region(source), *others), {"shape": region.shape})

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return default_axes(op.out_shape)


class SliceLike(Rule):
    """Every axis is cuttable; the second input lends its shape only."""

    def tile(self, op: Op, region: Region) -> Tile:
        rank, shape = region.rank, op.in_shapes[1]
        axes = {a % rank for a in op.attrs["axes"] or range(len(shape))}
        like = tuple(region.bounds[k] if k in axes else (0, min(1, n)) for k, n in enumerate(shape))
        return Tile(region, (region, Region(like)))


class CastLike(Rule):
    """Every axis is cuttable; one element of the second input tells its type."""

    pointwise = True

    def tile(self, op: Op, region: Region) -> Tile:
        like = Region(tuple((0, min(1, n)) for n in op.in_shapes[1]))
        return Tile(region, (region, like))


class Fill(Rule):
    """Every axis is cuttable; computed wherever it is read."""

    def tile(self, op: Op, region: Region) -> Tile:
        return Tile(region, tuple(whole(s) for s in op.in_shapes), {"shape": region.shape})

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return default_axes(op.out_shape)


RULES: dict[str, Rule] = {
    "reverse": Reverse(),
    "repeat": Repeat(),
    "tile": Copies(),
    "stack": Stack(),
    "nn.dilate": Dilate(),
    "broadcast_to": BroadcastTo(),
    "broadcast_to_like": BroadcastTo(),
    "slice_like": SliceLike(),
    "cast_like": CastLike(),
    **{kind: Fill() for kind in ("full", "zeros", "ones")},
}
