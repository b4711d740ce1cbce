# SPDX-License-Identifier: Apache-2.0
"""Milliseconds of counted code on a board that is sold, fitted to published times.

1. Cycles of the code's loops by llvm-mca, on as many cores as there are threads;
2. a share of them that threads do not share;
3. the wait of a core for lines that it misses in its caches;
4. the time of these lines on the memory bus, which all cores share;
5. what beginning an operator takes.

Each is a quantity times a coefficient that is not negative. A board's coefficients have the least
squares of relative errors over its published times, and are drawn to what times of the other
boards with the same arithmetic say: few networks do not tell five coefficients apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..extras import require
from ..files import read_text
from ..machine import CoreCluster, KnownBoard
from ..machine.board_data import NARROW, Counts, Published, counts_for, pipeline

FITTED = Path(__file__).parent / "models/boards.json"
#: How much the other boards count, against all published times of the board.
DRAW = 0.1
_LEAST = 1e-3  # a coefficient below it is drawn as if it had this size


@dataclass(frozen=True)
class Coefficients:
    """What a board's quantities are multiplied by.

    Parameters
    ----------
    core : float
        Cycles that a cycle of llvm-mca takes.
    serial : float
        The same of what all but one thread leave to one.
    wait : float
        Nanoseconds that a core waits for a line from memory.
    bus : float
        Times that a line takes on the bus, relative to the data sheet's bandwidth.
    start : float
        Thousands of cycles to begin an operator.
    """

    core: float
    serial: float
    wait: float
    bus: float
    start: float


def quantities(counts: Counts, board: KnownBoard, cluster: CoreCluster, threads: int) -> np.ndarray:
    """What a board's coefficients are multiplied by.

    Parameters
    ----------
    counts : Counts
        Of the code, executed on one thread.
    board, cluster : KnownBoard, CoreCluster
        The board, and those of its cores that work.
    threads : int
        How many of them.

    Returns
    -------
    quantities : numpy.ndarray
        Shape (5,), in the order of `Coefficients`: milliseconds for a coefficient of one.
    """
    busy = counts.cycles[pipeline(cluster.mcpu)] / cluster.ghz * 1e-6
    lines = counts.l2_misses * 1e-6
    on_bus = counts.l2_misses * 64 / board.memory_bandwidth * 1e-6
    starts = counts.layers / cluster.ghz * 1e-3
    return np.array([busy / threads, busy * (1 - 1 / threads), lines / threads, on_bus, starts])


def milliseconds(
    counts: Counts,
    coefficients: Coefficients,
    board: KnownBoard,
    cluster: CoreCluster,
    threads: int,
) -> float:
    """Of some code on some cores of a board: the sum of `quantities` times coefficients.

    Parameters
    ----------
    counts, board, cluster, threads
        As of `quantities`.
    coefficients : Coefficients
        Of the board.
    """
    return float(quantities(counts, board, cluster, threads) @ astuple(coefficients))


def fit(
    times: Sequence[Published], others: Sequence[Published], draw: float = DRAW
) -> Coefficients:
    """A board's coefficients.

    Parameters
    ----------
    times : sequence of Published
        The board's, all of networks that were counted; may be empty.
    others : sequence of Published
        Other boards', which its coefficients are drawn to. Not empty.
    draw : float
        How strongly.

    Raises
    ------
    ValueError
        If a network was not counted (see `known_times`).
    """
    first = _solved(*_relative(others))
    if not times:
        return Coefficients(*first)
    scale = np.maximum(first, _LEAST)
    rows, ones = _relative(times)
    rows = np.vstack([rows, np.diag(draw / scale)])
    return Coefficients(*_solved(rows, np.concatenate([ones, draw * first / scale])))


def fit_all(times: Sequence[Published]) -> dict[str, Coefficients]:
    """Coefficients of every kind of cores that there are times of."""
    kinds = dict.fromkeys(one.kind for one in times)
    return {kind: fit(*_parted(times, kind)) for kind in kinds}


@dataclass(frozen=True)
class LeftOut:
    """A published time, and what is said of it by a fit that did not know it.

    Parameters
    ----------
    published : Published
        The time.
    modelled : float
        Milliseconds.
    """

    published: Published
    modelled: float

    @property
    def error(self) -> float:
        """Relative, above zero where too much is said."""
        return self.modelled / self.published.milliseconds - 1


def networks_left_out(times: Sequence[Published]) -> list[LeftOut]:
    """Each time by a fit without its network, on this board and on all others."""
    return _left_out(times, lambda one, other: other.network == one.network)


def boards_left_out(times: Sequence[Published]) -> list[LeftOut]:
    """Each time by a fit without its board."""
    return _left_out(times, lambda one, other: other.board is one.board)


def known_times(times: Sequence[Published]) -> list[Published]:
    """Those whose network was counted."""
    return [one for one in times if counts_for(one) is not None]


def save_fitted(fitted: dict[str, Coefficients], path: Path = FITTED) -> None:
    """Write coefficients for `load_fitted`."""
    data = {kind: [round(c, 6) for c in astuple(one)] for kind, one in fitted.items()}
    lines = (f" {json.dumps(kind)}: {json.dumps(values)}" for kind, values in data.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def load_fitted(path: Path = FITTED) -> dict[str, Coefficients]:
    """Kind of cores -> coefficients."""
    return {kind: Coefficients(*c) for kind, c in json.loads(read_text(path)).items()}


def _left_out(
    times: Sequence[Published], hides: Callable[[Published, Published], bool]
) -> list[LeftOut]:
    found: list[LeftOut] = []
    for one in times:
        seen = [other for other in times if not hides(one, other)]
        coefficients = fit(*_parted(seen, one.kind, one.cluster))
        ms = milliseconds(_counted(one), coefficients, one.board, one.cluster, one.threads)
        found.append(LeftOut(one, ms))
    return found


def _parted(
    times: Sequence[Published], kind: str, cluster: CoreCluster | None = None
) -> tuple[list[Published], list[Published]]:
    """A kind's times, and those of others with the same arithmetic."""
    own = [one for one in times if one.kind == kind]
    narrow = (cluster or own[0].cluster).mcpu in NARROW
    others = [o for o in times if o.kind != kind and (o.cluster.mcpu in NARROW) == narrow]
    return own, others


def _relative(times: Sequence[Published]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of quantities over times, which sum to one where the model is right."""
    rows = [
        quantities(_counted(one), one.board, one.cluster, one.threads) / one.milliseconds
        for one in times
    ]
    return np.array(rows), np.ones(len(rows))


def _counted(one: Published) -> Counts:
    counts = counts_for(one)
    if counts is None:
        raise ValueError(f"network '{one.network}' was not counted")
    return counts


def _solved(rows: np.ndarray, wanted: np.ndarray) -> Floats:
    # not on top: those who plan only load what was fitted
    optimize = require("scipy.optimize", "a fit of a board model")
    return optimize.nnls(rows, wanted)[0]
