# SPDX-License-Identifier: Apache-2.0
"""Costs of boards that are sold, of which nothing was measured yet."""

from __future__ import annotations

from collections.abc import Sequence

from ..machine import KnownBoard
from .analytic import Analytic
from .base import Cost, PerKind

MODELLED = "modelled, not measured"
#: Multiply-accumulates of float32 that a core does in a cycle.
MULTIPLY_ACCUMULATES = {"cortex-a53": 2, "cortex-a76": 8, "cortex-a78": 8}
_OTHER_CORES = 4
#: Share of the figure on a data sheet that cores get out of a memory.
_SUSTAINED = 0.5


class Modelled(Analytic):
    """A roofline with the figures of one kind of board."""

    def __init__(self, board: KnownBoard):
        big = board.big
        each = 2 * big.ghz * MULTIPLY_ACCUMULATES.get(big.mcpu, _OTHER_CORES)
        super().__init__(each * big.cores, board.memory_bandwidth * 1e9 * _SUSTAINED)
        self.name = f"{board.key}, {MODELLED}"


def cost_of_boards(boards: Sequence[KnownBoard]) -> Cost:
    """The cost model of a cluster of known boards.

    Parameters
    ----------
    boards : sequence of KnownBoard
        One or more. Of several kinds each has its own model, by its key.
    """
    models = {board.key: Modelled(board) for board in boards}
    if len(models) == 1:
        return next(iter(models.values()))
    cost = PerKind(models, next(iter(models.values())))
    cost.name = f"{', '.join(models)}, {MODELLED}"
    return cost
