# SPDX-License-Identifier: Apache-2.0
"""Whether more boards are predicted to gain more than predictions err by.

More boards save time of computing, and spend time on exchanges, on the host's link and on its
calls. Both are predicted with errors of their own: tiles are known to some percent, transfers
often to no better than a third. What is saved, less its error, must exceed what is spent, more
its error. So a plan is doubted by as much as it lives on what is badly known: a network whose
tiles take most of the time is cut for a small gain, one that would exchange as much as it
saves is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean

from ...cost import Cost, Learned
from ..predict.evaluate import Evaluation

Metrics = Mapping[str, Mapping[str, float]]
#: Kinds of transfers among a cost model's figures of what was held out; all others are tiles'.
TRANSFERS = ("exchange", "scatter", "gather")
#: Errors where nothing was held out: those of calibrations of local boards.
TILES, MOVES = 0.07, 0.25
#: A larger error says that there is no telling: then half of what is saved counts, at least.
MOST = 0.5


@dataclass(frozen=True)
class Doubt:
    """By which share predictions may be off.

    Parameters
    ----------
    tiles : float
        Of what boards compute.
    moves : float
        Of what they exchange, and of what the host does.
    """

    tiles: float = 0.0
    moves: float = 0.0

    def gains(self, more: Evaluation, fewer: Evaluation) -> bool:
        """Whether a plan of more boards is faster than one of fewer beyond doubt.

        Parameters
        ----------
        more, fewer : Evaluation
            Predicted figures of both.
        """
        saved = computing(fewer) - computing(more)
        spent = moving(more) - moving(fewer)
        return saved - spent > self.tiles * max(saved, 0.0) + self.moves * max(spent, 0.0)

    def limit(self, more: Evaluation) -> float:
        """Milliseconds above which no plan of fewer boards is preferred to one of more.

        For what is saved is then at most what is spent times ``(1 + moves) / (1 - tiles)``,
        and no more is spent than all that the plan of more boards spends.

        Parameters
        ----------
        more : Evaluation
            Predicted figures.
        """
        return more.latency + moving(more) * ((1 + self.moves) / (1 - self.tiles) - 1)


def computing(plan: Evaluation) -> float:
    """Milliseconds of the slowest boards' tiles."""
    return sum(float(times.max()) for times in plan.compute.values())


def moving(plan: Evaluation) -> float:
    """Milliseconds of everything else."""
    return plan.latency - computing(plan)


def doubt_of(cost: Cost) -> Doubt:
    """How far a cost model's predictions may be off: nothing where they are not learned.

    Parameters
    ----------
    cost : Cost
        If it is learned, it knows the median errors of what it was not trained with.
    """
    if cost.proves:
        return Doubt()
    metrics: Metrics = cost.origin.metrics if isinstance(cost, Learned) else {}
    told = {name: figures["median"] for name, figures in metrics.items() if "median" in figures}
    tiles = [error for name, error in told.items() if name not in TRANSFERS]
    return Doubt(
        min(MOST, mean(tiles) if tiles else TILES), min(MOST, told.get("exchange", MOVES))
    )
