# SPDX-License-Identifier: Apache-2.0
"""Reshape, squeeze, expand_dims and layout_transform: same elements, other axes.

Axes of both shapes are matched into groups of equal size: ``(1, T, 768) -> (1, T, 12, 64)``
has the groups ``T -> T`` and ``768 -> 12 x 64``. Within a group a region that cuts only the
first axis is one run of elements, so it maps to a run of the other side: heads 3 to 5 are
features 192 to 384. What is not such a run is widened until it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm, prod
from typing import Any, NamedTuple

from ..graph import Axes, Op, Region
from .base import Rule, Tile, default_axes
from .layout import Layout, parse_layout


class Group(NamedTuple):
    """Axes of input and output that hold the same elements (axes of size 1 left out)."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def match_axes(source: Sequence[int], target: Sequence[int]) -> list[Group]:
    """Split two shapes of equal volume into the smallest groups of equal volume.

    Parameters
    ----------
    source, target : sequence of int
        The shapes, without a size of 0.

    Examples
    --------
    >>> match_axes((1, 9, 768), (1, 9, 12, 64))
    [Group(inputs=(1,), outputs=(1,)), Group(inputs=(2,), outputs=(2, 3))]
    """
    groups: list[Group] = []
    i = [a for a, size in enumerate(source) if size != 1]
    o = [a for a, size in enumerate(target) if size != 1]
    while i or o:
        left, right = [i.pop(0)], [o.pop(0)]
        while (a := prod(source[x] for x in left)) != (b := prod(target[x] for x in right)):
            if a < b:
                left.append(i.pop(0))
            else:
                right.append(o.pop(0))
        groups.append(Group(tuple(left), tuple(right)))
    return groups


class Reshape(Rule):
    """Cuttable along the first axis of every group of axes that hold the same elements."""

    def tile(self, op: Op, region: Region) -> Tile:
        source_shape, target_shape = op.in_shapes[0], op.out_shape
        partly = op.attrs.get("lhs_begin") or op.attrs.get("rhs_begin")
        if 0 in target_shape or partly or _has_ends(op):
            return super().tile(op, region)
        source = [(0, size) for size in source_shape]
        target = [(0, size) for size in target_shape]
        for group in match_axes(source_shape, target_shape):
            first_in, first_out = group.inputs[0], group.outputs[0]
            rest_in = prod(source_shape[a] for a in group.inputs[1:])
            rest_out = prod(target_shape[a] for a in group.outputs[1:])
            grain = lcm(rest_in, rest_out)
            total = rest_in * source_shape[first_in]
            start, stop = (x * rest_out for x in region.bounds[first_out])
            start, stop = start // grain * grain, min(total, -(-stop // grain) * grain)
            if total % grain:  # no common boundary inside the group
                start, stop = 0, total
            source[first_in] = (start // rest_in, stop // rest_in)
            target[first_out] = (start // rest_out, stop // rest_out)
        result = Region(tuple(target))
        like = (result,) * (len(op.in_shapes) - 1)  # reshape_like
        return Tile(result, (Region(tuple(source)), *like), self.attrs(op, result))

    def attrs(self, op: Op, result: Region) -> dict[str, Any]:
        """Attributes of the tile: only a reshape names its shape."""
        return {"newshape": result.shape, "allowzero": False} if "newshape" in op.attrs else {}

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        moved: dict[int | None, int] = {}
        for group in match_axes(op.in_shapes[0], op.out_shape):
            for axis in group.inputs:
                moved.setdefault(axis, group.outputs[0])
        old = inputs[0]
        found = [moved.get(old.c), moved.get(old.h), moved.get(old.w)]
        c, h, w = (a if a not in found[:k] else None for k, a in enumerate(found))
        return default_axes(op.out_shape) if (c, h, w) == (None,) * 3 else Axes(h=h, w=w, c=c)


def _has_ends(op: Op) -> bool:
    """True for a reshape_like of some axes only."""
    return op.attrs.get("lhs_end") is not None or op.attrs.get("rhs_end") is not None


class LayoutTransform(Rule):
    """Every axis is cuttable, channels where blocks of both layouts begin."""

    def tile(self, op: Op, region: Region) -> Tile:
        old, new = parse_layout(op.attrs["src_layout"]), parse_layout(op.attrs["dst_layout"])
        source, target = [(0, n) for n in op.in_shapes[0]], [(0, n) for n in op.out_shape]
        for axis, letter in enumerate(new.letters):
            if letter.islower():
                continue
            if old.find(letter) is None:
                return super().tile(op, region)
            start, stop = _logical(letter, axis, old, new, op, region)
            target[axis] = (start // new.block(letter), stop // new.block(letter))
            source[old.index(letter)] = (start // old.block(letter), stop // old.block(letter))
        return Tile(Region(tuple(target)), (Region(tuple(source)),))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["dst_layout"]).axes


def _logical(
    letter: str, axis: int, old: Layout, new: Layout, op: Op, region: Region
) -> tuple[int, int]:
    """Range of single elements along a primal axis, widened to whole blocks of both layouts."""
    grain = lcm(old.block(letter), new.block(letter))
    total = op.out_shape[axis] * new.block(letter)
    start, stop = (x * new.block(letter) for x in region.bounds[axis])
    start, stop = start // grain * grain, -(-stop // grain) * grain
    return (0, total) if total % grain else (start, min(stop, total))


RULES: dict[str, Rule] = {
    "reshape": Reshape(),
    "squeeze": Reshape(),
    "expand_dims": Reshape(),
    "nn.batch_flatten": Reshape(),
    "reshape_like": Reshape(),
    "contrib_reverse_reshape": Reshape(),
    "layout_transform": LayoutTransform(),
}
