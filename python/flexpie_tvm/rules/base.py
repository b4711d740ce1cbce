# SPDX-License-Identifier: Apache-2.0
"""What a rule answers about one operator family.

Given the region of the output that somebody needs, a rule says which region the operator
then computes (never less, sometimes more: softmax cannot stop in the middle of its axis),
which region of each input that takes, and which attributes change. Everything else (halos,
re-sharding, residual adds, sliced weights) follows from intersecting boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..graph import Axes, Op, Region, whole


@dataclass(frozen=True, slots=True)
class Tile:
    """One board's share of an operator.

    Parameters
    ----------
    region : Region
        What is computed of the first output; contains what was asked for. What lies beyond
        that may be wrong (the edges of a resized tile) and must not be read.
    inputs : tuple of Region
        What is read of each input.
    attrs : mapping
        Attributes that differ from the whole operator's.
    scale : float
        What the result is multiplied by: a partial mean counts for its share.
    depth : float
        The part of a sum that is made: less than 1 for partial results.
    """

    region: Region
    inputs: tuple[Region, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scale: float = 1.0
    depth: float = 1.0


class Rule:
    """Base of all rules; by itself the rule of an operator nobody knows.

    Such an operator needs its whole inputs and gives its whole output: slower than need
    be, never wrong.
    """

    #: True if each output element depends on the same element of the inputs only.
    pointwise = False

    def tile(self, op: Op, region: Region) -> Tile:
        """The tile that yields at least ``region`` (not empty) of the first output.

        Parameters
        ----------
        op : Op
            Its shapes and attributes.
        region : Region
            Of the first output.
        """
        return Tile(whole(op.out_shape), tuple(whole(shape) for shape in op.in_shapes))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        """The meaning of the first output's axes, given those of the inputs.

        Parameters
        ----------
        op : Op
            Its shapes and attributes.
        inputs : sequence of Axes
            Of each input.
        """
        for shape, axes in zip(op.in_shapes, inputs, strict=True):
            if shape == op.out_shape:
                return axes
        for shape, axes in zip(op.in_shapes, inputs, strict=True):
            if len(shape) == len(op.out_shape):
                return axes
        return default_axes(op.out_shape)

    def flops(self, op: Op, region: Region) -> int:
        """The floating-point operations to compute a region (a multiply-add counts two).

        Parameters
        ----------
        op : Op
            Its shapes and attributes.
        region : Region
            Of the first output.
        """
        return region.volume

    def cuttable(self, op: Op) -> frozenset[int]:
        """The output axes along which a part costs less than the whole.

        Parameters
        ----------
        op : Op
            Its shapes and attributes.
        """
        full = whole(op.out_shape)
        if full.is_empty:
            return frozenset()
        return frozenset(
            axis
            for axis, size in enumerate(op.out_shape)
            if size > 1 and self.tile(op, full.replace(axis, 0, 1)).region.shape[axis] < size
        )


def default_axes(shape: Sequence[int]) -> Axes:
    """The usual meaning of axes by rank: NCHW, N tokens features, rows features, ...

    Parameters
    ----------
    shape : sequence of int
        Only its length matters; of other ranks than 2 to 5 nothing is known.
    """
    return {
        2: Axes(h=0, c=1),
        3: Axes(h=1, c=2),
        4: Axes(h=2, w=3, c=1),
        5: Axes(h=2, w=3, c=1),
    }.get(len(shape), Axes())
