# SPDX-License-Identifier: Apache-2.0
"""Matrix products: rows (tokens), output features and batch (heads) are cuttable."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region
from .base import Rule, Tile, default_axes


class Dense(Rule):
    """Rows and output features are cuttable: ``data[..., K] x weight[N, K]``."""

    def tile(self, op: Op, region: Region) -> Tile:
        depth = op.in_shapes[0][-1]
        data = Region((*region.bounds[:-1], (0, depth)))
        weight = Region((region.bounds[-1], (0, depth)))
        start, stop = region.bounds[-1]
        return Tile(region, (data, weight), {"units": stop - start})

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return default_axes(op.out_shape)

    def flops(self, op: Op, region: Region) -> int:
        return 2 * region.volume * op.in_shapes[0][-1]


class Matmul(Rule):
    """Batch (heads), rows and output features are cuttable.

    ``nn.matmul`` with its transpose flags, ``nn.batch_matmul`` with a leading batch.
    """

    def tile(self, op: Op, region: Region) -> Tile:
        *lead, rows, features = region.bounds
        first, second = op.in_shapes[:2]
        swap_a, swap_b = _transposed(op)
        depth = (0, first[-2] if swap_a else first[-1])
        a = (depth, rows) if swap_a else (rows, depth)
        b = (features, depth) if swap_b else (depth, features)
        inputs = (Region((*_lead(lead, first), *a)), Region((*_lead(lead, second), *b)))
        attrs = {"units": features[1] - features[0]} if "units" in op.attrs else {}
        return Tile(region, inputs, attrs)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        if len(op.out_shape) == 3:
            return Axes(c=0, h=1, w=2) if op.out_shape[0] > 1 else Axes(h=1, c=2)
        return default_axes(op.out_shape)

    def flops(self, op: Op, region: Region) -> int:
        swap_a, _ = _transposed(op)
        return 2 * region.volume * op.in_shapes[0][-2 if swap_a else -1]


def _transposed(op: Op) -> tuple[bool, bool]:
    return bool(op.attrs["transpose_a"]), bool(op.attrs["transpose_b"])


def _lead(bounds: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Batch bounds of one operand; an operand with batch 1 is shared by all."""
    return [(0, 1) if size == 1 else pair for pair, size in zip(bounds, shape[:-2], strict=True)]


RULES: dict[str, Rule] = {
    "nn.dense": Dense(),
    "nn.matmul": Matmul(),
    "nn.batch_matmul": Matmul(),
}
