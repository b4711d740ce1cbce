# SPDX-License-Identifier: Apache-2.0
"""Boards and links that are no longer what a plan took them for.

A look compares what boards measured since the last one with what was expected: milliseconds that
each board computes, and that it moves bytes to and from its links. Predictions of a plan say how
boards compare, but may all be off by one factor, that of the machines they know; so the first look
settles that factor: the board that does best is taken to be as predicted. Without predictions, the
first look itself is what is expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..plan import Timeline
from .timeline import BOARD_SUMS, EXCHANGE_SUMS, per_run

#: Below so many milliseconds the clock and the system say more than the board.
LEAST_MS = 0.05


@dataclass(frozen=True)
class Drift:
    """Something that is slower than expected.

    Parameters
    ----------
    kind : {"compute", "exchange"}
        A board's computing (it throttles, or somebody else uses it), or its links.
    board : int
        Its rank.
    factor : float
        How many times as long it takes as expected.
    """

    kind: str
    board: int
    factor: float

    def __str__(self) -> str:
        what = "computes" if self.kind == "compute" else "exchanges"
        return f"board {self.board} {what} {self.factor:.1f} times as long as expected"


class Adaptation(Protocol):
    """What is told of drifts: `adaptation.Adaptation`."""

    switches: int

    def consider(self, drifts: Sequence[Drift]) -> None:
        """Look for a better plan."""

    def wait(self) -> None:
        """Until none is being looked for."""


class Hysteresis:
    """Whether something is too much, without changing one's mind at every look.

    Parameters
    ----------
    high, low : float
        It begins at ``high`` or more, and ends at ``low`` or less.
    looks : int
        So many times in a row.
    """

    def __init__(self, high: float, low: float, looks: int):
        self._high, self._low, self._looks = high, low, looks
        self._run, self.on = 0, False

    def see(self, value: float) -> bool:
        """Whether it is on, after one more look."""
        turns = value <= self._low if self.on else value >= self._high
        self._run = self._run + 1 if turns else 0
        if self._run >= self._looks:
            self.on, self._run = not self.on, 0
        return self.on


class Watch:
    """Looks at a deployment's counters between requests.

    Parameters
    ----------
    stats : callable
        The boards' counters, `Deployment.stats`.
    predicted : Timeline or None
        What the plan says of a run.
    high, low : float
        Factors at which a drift begins and ends.
    looks : int
        Looks in a row that it takes for either.
    adaptation : Adaptation, optional
        What is told of drifts, to look for a better plan.
    """

    def __init__(
        self,
        stats: Callable[[], Sequence[Mapping]],
        predicted: Timeline | None = None,
        high: float = 1.5,
        low: float = 1.2,
        looks: int = 2,
        adaptation: Adaptation | None = None,
    ):
        self._stats, self._predicted, self._adaptation = stats, predicted, adaptation
        self._switches = adaptation.switches if adaptation else 0
        self._carried: dict[tuple[str, int], float] = {}
        self._limits = high, low, looks
        self._expected: dict[tuple[str, int], float] | None = None
        self._seen: dict[tuple[str, int], Hysteresis] = {}
        self._factors: dict[tuple[str, int], float] = {}
        self._last: Sequence[Mapping] | None = None

    def look(self) -> list[Drift]:
        """What drifts, by the inferences since the last look; the first one settles what to expect.

        Returns
        -------
        drifts : list of Drift
            The worst first. A drift stays in the list until it has ended.

        Raises
        ------
        BoardError
            If a board cannot be asked.
        """
        now = self._stats()
        if self._adaptation is not None and self._adaptation.switches != self._switches:
            self._switches = self._adaptation.switches
            self._begin_anew()
        since, self._last = _since(self._last, now), now
        if since is not None:
            self._see(_times(since))
        found = [Drift(*key, self._factors[key]) for key, seen in self._seen.items() if seen.on]
        found.sort(key=lambda drift: -drift.factor)
        if self._adaptation is not None:
            self._adaptation.consider(found)
        return found

    def adapt(self) -> None:
        """Wait until a plan that a look began to make is ready, or is not worth it.

        It is taken before the next request. Nothing is done if nothing is under way.
        """
        if self._adaptation is not None:
            self._adaptation.wait()

    def _begin_anew(self) -> None:
        """There is another plan: what drifts is taken to drift as before at the next look."""
        self._carried = {key: self._factors[key] for key, seen in self._seen.items() if seen.on}
        self._seen = {key: seen for key, seen in self._seen.items() if seen.on}
        self._expected = self._last = self._predicted = None

    def _see(self, times: Mapping[tuple[str, int], float]) -> None:
        if self._carried:
            self._expected = {key: ms / self._carried.get(key, 1.0) for key, ms in times.items()}
            self._carried = {}
        if self._expected is None or set(self._expected) != set(times):
            self._expected, self._seen = expected_times(times, self._predicted), {}
        for key, expected in self._expected.items():
            if expected >= LEAST_MS:
                self._factors[key] = times[key] / expected
                seen = self._seen.setdefault(key, Hysteresis(*self._limits))
                seen.see(self._factors[key])


def expected_times(
    first: Mapping[tuple[str, int], float], predicted: Timeline | None
) -> dict[tuple[str, int], float]:
    """Milliseconds that each board is expected to compute and to exchange.

    Parameters
    ----------
    first : mapping
        (``compute`` or ``exchange``, rank) -> milliseconds of the first look.
    predicted : Timeline or None
        Computing is as predicted, times the factor of the board that does best. Of exchanges a
        board's counters know only its own part, so they are expected to stay as they are.
    """
    expected = dict(first)
    busy = {board: predicted.busy(board) for _, board in first} if predicted else {}
    ratios = [first["compute", board] / ms for board, ms in busy.items() if ms > 0]
    for board, ms in busy.items():
        expected["compute", board] = min(ratios, default=0.0) * ms
    return expected


def _times(stats: Sequence[Mapping]) -> dict[tuple[str, int], float]:
    rows = per_run(stats)
    times = {("compute", board): row["compute"] for board, row in enumerate(rows)}
    return times | {("exchange", board): row["wire"] for board, row in enumerate(rows)}


def _since(last: Sequence[Mapping] | None, now: Sequence[Mapping]) -> list[Mapping] | None:
    """Counters of the runs between two looks; None if there were none."""
    if last is None or len(last) != len(now) or _restarted(last, now):
        last = [{} for _ in now]  # counters or boards are new
    found = []
    for before, after in zip(last, now, strict=True):
        old = {e["id"]: e for e in before.get("exchanges", ())}
        exchanges = [
            {k: e[k] - old.get(e["id"], {}).get(k, 0) for k in EXCHANGE_SUMS if k in e}
            for e in after["exchanges"]
        ]
        sums = {k: after[k] - before.get(k, 0) for k in BOARD_SUMS}
        found.append({**sums, "exchanges": exchanges})
    # a board that the plan leaves out never runs
    return found if any(board["frames"] > 0 for board in found) else None


def _restarted(last: Sequence[Mapping], now: Sequence[Mapping]) -> bool:
    return any(a["frames"] > b["frames"] for a, b in zip(last, now, strict=True))
