# SPDX-License-Identifier: Apache-2.0
"""Costs of boards that are sold, by tiles that were modelled for their cores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..machine import KnownBoard, known_board
from .base import Cost, PerKind
from .learned import Learned
from .modelled import Modelled
from .records import NOT_MEASURED, Links, Setting, TileWork, Transfer
from .shipped import shipped_core


class Rescaled(Cost):
    """Costs of a board, by those of another one with the same cores.

    Each tile takes as much longer or shorter as `Modelled` says of the two: by clocks, number of
    cores, memory, and what beginning an operator takes.

    Parameters
    ----------
    cost : Learned
        Of the other board.
    other, board : KnownBoard
        The one that it is of, and the one that is asked about.
    """

    monotone, proves = True, False

    def __init__(self, cost: Learned, other: KnownBoard, board: KnownBoard):
        self._cost = cost
        self._other, self._board = Modelled(other), Modelled(board)
        self.name = f"learned ({other.key}) rescaled to {board.key}, {NOT_MEASURED}"

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Of the other board."""
        return self._cost.settings

    def compute(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile."""
        if not tiles:
            return np.zeros(0)
        longer = self._board.compute(tiles) / self._other.compute(tiles)
        return self._cost.compute(tiles) * longer

    def exchange(self, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of each transfer, from the network's figures."""
        return self._board.exchange(transfers)

    def calls(self, boards: int) -> float:
        """As they are modelled for the board's clock."""
        return self._board.calls(boards)

    def floor(self, whole: TileWork, speeds: Sequence[float]) -> float:
        """The other board's, made shorter by as much as any tile is."""
        return self._cost.floor(whole, speeds) * self._board.least_share(self._other)

    def host_floor(self, nbytes: float, links: Links) -> float:
        """Every byte once over the host's link."""
        return self._board.host_floor(nbytes, links)


def cost_of_board(board: KnownBoard) -> Cost:
    """The best that is known of a kind of boards before any was measured."""
    shipped = shipped_core(board.big.mcpu)
    if shipped is None:
        return Modelled(board)
    kind = shipped.origin.setting.board_kind
    return shipped if kind == board.key else Rescaled(shipped, known_board(kind), board)


def cost_of_boards(boards: Sequence[KnownBoard]) -> Cost:
    """The cost model of a cluster of known boards.

    Parameters
    ----------
    boards : sequence of KnownBoard
        One or more. Of several kinds each has its own model, by its key.
    """
    models = {board.key: cost_of_board(board) for board in boards}
    first = next(iter(models.values()))
    if len(models) == 1:
        return first
    cost = PerKind(models, first)
    cost.name = f"{', '.join(models)}, {NOT_MEASURED}"
    return cost
