# SPDX-License-Identifier: Apache-2.0
"""Figures that the tables and plots of a benchmark show, worked out from its records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import mean, median, quantiles

from ...runtime import ENGINES, fastest
from .records import CaseRecord, MeasuredWay

PLANNER = "auto"
FLEXPIE = ENGINES[1]
# Of the busiest board's computing: what the others take to call a module that does nothing.
IDLE = 0.01
Rounds = Callable[[MeasuredWay], list[float]]


def end_to_end(measured: MeasuredWay) -> list[float]:
    """Milliseconds of scatter, run and gather, a value per round."""
    return measured.ms


def in_place(measured: MeasuredWay) -> list[float]:
    """Milliseconds with the input on the boards already, a value per round."""
    return measured.in_place_ms


def spread(rounds: Sequence[float]) -> float:
    """Half the range of the middle half of the rounds, relative to their median."""
    low, middle, high = quantiles(rounds, n=4, method="inclusive") if rounds[1:] else rounds * 3
    return (high - low) / 2 / middle


def ways_of(records: Iterable[CaseRecord]) -> list[str]:
    """All ways of partitioning, the planner's last."""
    found = dict.fromkeys(way for record in records for way in record.ways)
    return sorted(found, key=lambda way: way == PLANNER)


def scores(record: CaseRecord, rounds: Rounds) -> dict[str, float]:
    """The paper's score of every way: the best latency over its own (FlexPie, section 5)."""
    best = min(median(rounds(m)) for m in record.ways.values())
    return {way: best / median(rounds(m)) for way, m in record.ways.items()}


def mean_scores(records: Sequence[CaseRecord], rounds: Rounds) -> dict[str, float]:
    """Scores of every way, averaged over the records that have it."""
    every = [scores(record, rounds) for record in records]
    return {way: mean(s[way] for s in every if way in s) for way in ways_of(records)}


def planner_excess(record: CaseRecord, rounds: Rounds) -> float | None:
    """How much slower the planner's plan is than the best other way (negative: faster)."""
    others = [median(rounds(m)) for way, m in record.ways.items() if way != PLANNER]
    if PLANNER not in record.ways or not others:
        return None
    return median(rounds(record.ways[PLANNER])) / min(others) - 1


def one_board(record: CaseRecord, rounds: Rounds) -> dict[str, MeasuredWay | None]:
    """Every engine on one board; None where it was not measured.

    A plan that leaves all boards but one idle is ours on one board, by whatever name.
    """
    found = {name: record.one_board.get(name) for name in ENGINES}
    ours = [found[FLEXPIE], *(m for m in record.ways.values() if _is_on_one_board(m))]
    found[FLEXPIE] = min(
        filter(None, ours), key=lambda measured: median(rounds(measured)), default=None
    )
    return found


def fastest_alone(record: CaseRecord, rounds: Rounds) -> tuple[str, float] | None:
    """The fastest engine on one board, of those that were measured, and its milliseconds."""
    alone = {name: m and median(rounds(m)) for name, m in one_board(record, rounds).items()}
    best = fastest(alone)
    return None if best is None else (best, alone[best])


def speedup(record: CaseRecord, rounds: Rounds) -> tuple[str, float] | None:
    """The fastest engine on one board, and how many times faster the planner's plan is."""
    best = fastest_alone(record, rounds)
    if PLANNER not in record.ways or best is None:
        return None
    return best[0], best[1] / median(rounds(record.ways[PLANNER]))


def _is_on_one_board(measured: MeasuredWay) -> bool:
    times = sorted(board.compute for board in measured.boards)
    if not times or measured.bytes_exchanged:
        return False
    return sum(times[:-1]) < IDLE * times[-1]


def prediction_errors(records: Iterable[CaseRecord]) -> list[float]:
    """Relative difference of predicted and measured latency of every way."""
    return [
        m.predicted_ms / median(m.ms) - 1
        for record in records
        for m in record.ways.values()
        if m.predicted_ms
    ]


def median_error(errors: Sequence[float]) -> float | None:
    """Median of the errors' sizes."""
    return median(abs(e) for e in errors) if errors else None
