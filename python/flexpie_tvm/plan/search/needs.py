# SPDX-License-Identifier: Apache-2.0
"""Needs as small numbers.

A *need* is a tuple with one region of a tensor per board. Each different need gets a number,
so that a search handles integers only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph import Graph, Region, empty, hull
from ..model.scheme import Split
from .layer_shape import LayerShape

NOTHING = 0  # the need of every board is empty
_FAR = 1 << 40


class Needs:
    """Needs of the tensors of one graph on a number of boards."""

    def __init__(self, graph: Graph, boards: int):
        self.graph, self.boards = graph, boards
        self._needs: list[tuple[Region, ...]] = [()]
        self._need_ids: dict[tuple[Region, ...], int] = {}
        self._bounds: dict[int, np.ndarray] = {}
        self._hulls: dict[tuple[int, int], int] = {}
        self._owned: dict[tuple[tuple[int, ...], Split], int] = {}

    def need(self, regions: Sequence[Region]) -> int:
        """The number of a need."""
        if all(r.is_empty for r in regions):
            return NOTHING
        key = tuple(regions)
        if key not in self._need_ids:
            self._need_ids[key] = len(self._needs)
            self._needs.append(key)
        return self._need_ids[key]

    def owned(self, tensor: int, split: Split) -> int:
        """The number of the need that equals what boards own of a tensor."""
        key = (self.graph.tensors[tensor].shape, split)
        if key not in self._owned:
            self._owned[key] = self.need(split.owned(key[0], self.boards))
        return self._owned[key]

    def regions(self, need: int, rank: int) -> tuple[Region, ...]:
        """The regions behind a number."""
        return self._needs[need] if need else (empty(rank),) * self.boards

    def bounds(self, need: int, rank: int) -> np.ndarray:
        """Boards x axes x (start, stop); an empty region starts after it stops."""
        if not need:
            return np.tile(np.array([_FAR, -_FAR]), (self.boards, rank, 1))
        if need not in self._bounds:
            rows = [r.bounds if not r.is_empty else ((_FAR, -_FAR),) * rank
                    for r in self._needs[need]]
            self._bounds[need] = np.array(rows, dtype=np.int64).reshape(self.boards, rank, 2)
        return self._bounds[need]

    def nbytes(self, tensor: int, need: int) -> np.ndarray:
        """Bytes of a need on each board."""
        info = self.graph.tensors[tensor]
        regions = self.regions(need, len(info.shape))
        return np.array([r.volume for r in regions]) * info.itemsize

    def hull(self, a: int, b: int) -> int:
        """The need that covers two needs of one tensor, board by board."""
        if a == b or not b:
            return a
        if not a:
            return b
        key = (a, b) if a < b else (b, a)
        if key not in self._hulls:
            pairs = zip(self._needs[a], self._needs[b], strict=True)
            self._hulls[key] = self.need([hull(pair, pair[0].rank) for pair in pairs])
        return self._hulls[key]

    def wanted(self, shape: LayerShape, key: tuple[int, ...]) -> list[tuple[Region, ...]]:
        """Per board, the region of each of a layer's outputs, from a need per output."""
        ranks = (len(self.graph.tensors[t].shape) for t in shape.layer.outputs)
        per_output = (self.regions(n, r) for n, r in zip(key, ranks, strict=True))
        return list(zip(*per_output, strict=True))
