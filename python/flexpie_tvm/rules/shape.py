# SPDX-License-Identifier: Apache-2.0
"""Operators that move or copy elements: transpose, concatenate, strided_slice."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region, empty
from .base import Rule, Tile


class Transpose(Rule):
    """Every axis is cuttable."""

    def tile(self, op: Op, region: Region) -> Tile:
        bounds: list[tuple[int, int]] = [(0, 0)] * region.rank
        for new, old in enumerate(permutation(op)):
            bounds[old] = region.bounds[new]
        return Tile(region, (Region(tuple(bounds)),))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        moved: dict[int | None, int] = {old: new for new, old in enumerate(permutation(op))}
        old = inputs[0]
        return Axes(h=moved.get(old.h), w=moved.get(old.w), c=moved.get(old.c))


class Concatenate(Rule):
    """Every axis is cuttable; an input that the region does not meet is not read."""

    def tile(self, op: Op, region: Region) -> Tile:
        axis: int = op.attrs["axis"] % region.rank
        start, stop = region.bounds[axis]
        offset = 0
        inputs: list[Region] = []
        for shape in op.in_shapes:
            low, high = max(start - offset, 0), min(stop - offset, shape[axis])
            inputs.append(region.replace(axis, low, high) if low < high else empty(region.rank))
            offset += shape[axis]
        return Tile(region, tuple(inputs))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return inputs[0]


class StridedSlice(Rule):
    """Every axis is cuttable, also with negative strides."""

    def tile(self, op: Op, region: Region) -> Tile:
        bounds: list[tuple[int, int]] = []
        begin: list[int] = []
        end: list[int] = []
        strides: list[int] = []
        for (a, b), (first, step) in zip(region.bounds, slice_window(op), strict=True):
            ends = sorted((first + a * step, first + (b - 1) * step))
            low, high = ends[0], ends[1] + 1
            bounds.append((low, high))
            begin.append(0 if step > 0 else high - low - 1)
            # an end before the first element is spelled as one below minus the size
            end.append(high - low if step > 0 else -(high - low) - 1)
            strides.append(step)
        attrs = {
            "begin": tuple(begin),
            "end": tuple(end),
            "strides": tuple(strides),
            "slice_mode": "end",
            "axes": None,
        }
        return Tile(region, (Region(tuple(bounds)),), attrs)


def permutation(op: Op) -> tuple[int, ...]:
    """Input axis of each output axis of a transpose."""
    rank = len(op.out_shape)
    axes: Sequence[int] | None = op.attrs["axes"]
    return tuple(a % rank for a in axes) if axes else tuple(reversed(range(rank)))


def slice_window(op: Op) -> list[tuple[int, int]]:
    """First index and step of a strided slice per axis, in elements of the whole input."""
    rank = len(op.out_shape)
    given: Sequence[int] | None = op.attrs.get("axes")
    axes = [a % rank for a in given] if given else list(range(len(op.attrs["begin"])))
    strides: Sequence[int] = op.attrs.get("strides") or [1]
    window = [(0, 1)] * rank
    for k, axis in enumerate(axes):
        size = op.in_shapes[0][axis]
        begin: int = op.attrs["begin"][k]
        step = 1
        if op.attrs["slice_mode"] == "end":
            step = strides[k] if k < len(strides) else 1  # what is missing is one
        begin = begin + size if begin < 0 else begin
        last = size if step > 0 else size - 1
        window[axis] = (min(max(begin, 0), last), step)
    return window


RULES: dict[str, Rule] = {
    "transpose": Transpose(),
    "concatenate": Concatenate(),
    "strided_slice": StridedSlice(),
}
