# SPDX-License-Identifier: Apache-2.0
"""Operators that move or copy elements: transpose, concatenate, slice, pad, broadcast."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region, empty, whole
from .base import Rule, Tile, default_axes


class Transpose(Rule):
    """Every axis is cuttable."""

    def tile(self, op: Op, region: Region) -> Tile:
        bounds: list[tuple[int, int]] = [(0, 0)] * region.rank
        for new, old in enumerate(permutation(op)):
            bounds[old] = region.bounds[new]
        return Tile(region, (Region(tuple(bounds)),))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        moved = {old: new for new, old in enumerate(permutation(op))}
        old = inputs[0]
        return Axes(h=moved.get(old.h), w=moved.get(old.w), c=moved.get(old.c))


class Concatenate(Rule):
    """Every axis is cuttable; an input that the region does not meet is not read."""

    def tile(self, op: Op, region: Region) -> Tile:
        axis = op.attrs["axis"] % region.rank
        start, stop = region.bounds[axis]
        offset, inputs = 0, []
        for shape in op.in_shapes:
            low, high = max(start - offset, 0), min(stop - offset, shape[axis])
            inputs.append(region.replace(axis, low, high) if low < high else empty(region.rank))
            offset += shape[axis]
        return Tile(region, tuple(inputs))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return inputs[0]


class StridedSlice(Rule):
    """Positive strides are cuttable on every axis; other slices stay whole."""

    def tile(self, op: Op, region: Region) -> Tile:
        window = slice_window(op)
        if window is None:
            return super().tile(op, region)
        bounds, begin, end, strides = [], [], [], []
        for (a, b), (first, step) in zip(region.bounds, window, strict=True):
            low, high = first + a * step, first + (b - 1) * step + 1
            bounds.append((low, high))
            begin.append(0)
            end.append(high - low)
            strides.append(step)
        attrs = {
            "begin": tuple(begin),
            "end": tuple(end),
            "strides": tuple(strides),
            "slice_mode": "end",
            "axes": None,
        }
        return Tile(region, (Region(tuple(bounds)),), attrs)


class Pad(Rule):
    """Constant and edge padding; axes that are padded with other modes stay whole."""

    def tile(self, op: Op, region: Region) -> Tile:
        if op.attrs.get("pad_mode", "reflect") not in ("constant", "edge"):
            return super().tile(op, region)
        inputs, result, pads = [], [], []
        for (a, b), (before, _), size in zip(
            region.bounds, op.attrs["pad_width"], op.in_shapes[0], strict=True
        ):
            # A tile inside the padding keeps one element of the image, so that it has an input.
            a, b = min(a, before + size - 1), max(b, before + 1)
            start, stop = max(0, a - before), min(size, b - before)
            inputs.append((start, stop))
            result.append((a, b))
            pads.append((start - (a - before), (b - before) - stop))
        tile_inputs = (Region(tuple(inputs)), *(whole(s) for s in op.in_shapes[1:]))
        return Tile(Region(tuple(result)), tile_inputs, {"pad_width": tuple(pads)})


class BroadcastTo(Rule):
    """Every axis is cuttable."""

    def tile(self, op: Op, region: Region) -> Tile:
        shape = op.in_shapes[0]
        tail = region.bounds[region.rank - len(shape) :]
        source = tuple((0, 1) if n == 1 else b for b, n in zip(tail, shape, strict=True))
        others = tuple(whole(s) for s in op.in_shapes[1:])
        return Tile(region, (Region(source), *others), {"shape": region.shape})

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return default_axes(op.out_shape)


def permutation(op: Op) -> tuple[int, ...]:
    """Input axis of each output axis of a transpose."""
    rank = len(op.out_shape)
    axes = op.attrs["axes"]
    return tuple(a % rank for a in axes) if axes else tuple(reversed(range(rank)))


def slice_window(op: Op) -> list[tuple[int, int]] | None:
    """First index and step of a strided slice per axis; None if it cannot be cut."""
    rank = len(op.out_shape)
    axes = op.attrs.get("axes")
    axes = [a % rank for a in axes] if axes else list(range(len(op.attrs["begin"])))
    strides = op.attrs.get("strides") or [1]
    window = [(0, 1)] * rank
    for k, axis in enumerate(axes):
        size, begin = op.in_shapes[0][axis], op.attrs["begin"][k]
        step = 1
        if op.attrs["slice_mode"] == "end":
            step = strides[k] if k < len(strides) else strides[0] if len(strides) == 1 else 1
        if step < 1:
            return None
        begin = begin + size if begin < 0 else begin
        window[axis] = (min(max(begin, 0), size), step)
    return window


RULES: dict[str, Rule] = {
    "transpose": Transpose(),
    "concatenate": Concatenate(),
    "strided_slice": StridedSlice(),
    "nn.pad": Pad(),
    "broadcast_to": BroadcastTo(),
}
