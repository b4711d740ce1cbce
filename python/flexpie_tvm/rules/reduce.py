# SPDX-License-Identifier: Apache-2.0
"""Reductions along axes: sum, mean, max, argmax, ..."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..graph import Axes, Op, Region
from .base import Rule, Tile

REDUCTIONS = ["all", "any", "argmax", "argmin", "max", "mean", "min", "prod", "sum", "variance"]


class Reduction(Rule):
    """Kept axes are cuttable, reduced axes are read whole."""

    def tile(self, op: Op, region: Region) -> Tile:
        reduced = reduced_axes(op)
        kept = iter(region.bounds)
        bounds: list[tuple[int, int]] = []
        for axis, size in enumerate(op.in_shapes[0]):
            if axis not in reduced:
                bounds.append(next(kept))
            else:
                bounds.append((0, size))
                if op.attrs["keepdims"]:
                    next(kept)
        # variance reads the mean as well; it has the output's shape with keepdims
        others = tuple(
            Region(tuple((0, 1) if s == 1 else b for s, b in zip(shape, bounds, strict=True)))
            for shape in op.in_shapes[1:]
        )
        return Tile(region, (Region(tuple(bounds)), *others))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        if op.attrs["keepdims"]:
            return inputs[0]
        reduced = reduced_axes(op)
        kept = [a for a in range(len(op.in_shapes[0])) if a not in reduced]
        moved: dict[int | None, int] = {old: new for new, old in enumerate(kept)}
        old = inputs[0]
        return Axes(h=moved.get(old.h), w=moved.get(old.w), c=moved.get(old.c))

    def flops(self, op: Op, region: Region) -> int:
        return region.volume * prod(op.in_shapes[0]) // max(1, prod(op.out_shape))


def reduced_axes(op: Op) -> frozenset[int]:
    """The input axes that a reduction removes."""
    rank = len(op.in_shapes[0])
    axis: int | Sequence[int] | None = op.attrs["axis"]
    if axis is None:
        chosen = frozenset(range(rank))
    elif isinstance(axis, int):
        chosen = frozenset((axis % rank,))
    else:
        chosen = frozenset(a % rank for a in axis) or frozenset(range(rank))
    return frozenset(range(rank)) - chosen if op.attrs["exclude"] else chosen


RULES: dict[str, Rule] = {kind: Reduction() for kind in REDUCTIONS}
