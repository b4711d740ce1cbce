# SPDX-License-Identifier: Apache-2.0
"""Costs that somebody wrote down: for tests, examples and what-if questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .base import Cost
from .records import TileWork, Transfer


class Table(Cost):
    """Answers by two functions.

    Parameters
    ----------
    tile : callable
        `TileWork` (with the layer's name) -> milliseconds, not negative.
    transfer : callable
        `Transfer` (with the tensor's name) -> milliseconds, not negative.
    monotone : bool
        Whether both never fall when work grows; see `Cost`.
    """

    name = "table"
    per_layer = True

    def __init__(
        self,
        tile: Callable[[TileWork], float],
        transfer: Callable[[Transfer], float],
        monotone: bool = False,
    ):
        self._tile, self._transfer, self.monotone = tile, transfer, monotone

    def compute(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile."""
        return np.array([self._tile(t) for t in tiles], dtype=float)

    def exchange(self, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of each transfer."""
        return np.array([self._transfer(t) for t in transfers], dtype=float)
