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
    call : float
        Milliseconds of each board that takes part in an inference.
    """

    name = "table"
    per_layer = True

    def __init__(
        self,
        tile: Callable[[TileWork], float],
        transfer: Callable[[Transfer], float],
        monotone: bool = False,
        call: float = 0.0,
    ):
        self._tile, self._transfer, self.monotone = tile, transfer, monotone
        self._call = call

    def calls(self, boards: int) -> float:
        """The same for each."""
        return self._call * boards

    def compute(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile."""
        return np.array([self._tile(t) for t in tiles], dtype=float)

    def exchange(self, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of each transfer."""
        return np.array([self._transfer(t) for t in transfers], dtype=float)
