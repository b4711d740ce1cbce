# SPDX-License-Identifier: Apache-2.0
"""Figures that the tables and plots of a benchmark show, worked out from its records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import mean, median, quantiles

from .records import Measured, Record

PLANNER = "auto"
Rounds = Callable[[Measured], list[float]]


def end_to_end(measured: Measured) -> list[float]:
    """Milliseconds of scatter, run and gather, a value per round."""
    return measured.ms


def in_place(measured: Measured) -> list[float]:
    """Milliseconds with the input on the boards already, a value per round."""
    return measured.in_place_ms


def spread(rounds: Sequence[float]) -> float:
    """Half the range of the middle half of the rounds, relative to their median."""
    low, middle, high = quantiles(rounds, n=4, method="inclusive") if rounds[1:] else rounds * 3
    return (high - low) / 2 / middle


def ways_of(records: Iterable[Record]) -> list[str]:
    """All ways of partitioning, the planner's last."""
    found = dict.fromkeys(way for record in records for way in record.ways)
    return sorted(found, key=lambda way: way == PLANNER)


def scores(record: Record, rounds: Rounds) -> dict[str, float]:
    """The paper's score of every way: the best latency over its own (FlexPie, section 5)."""
    best = min(median(rounds(m)) for m in record.ways.values())
    return {way: best / median(rounds(m)) for way, m in record.ways.items()}


def mean_scores(records: Sequence[Record], rounds: Rounds) -> dict[str, float]:
    """Scores of every way, averaged over the records that have it."""
    every = [scores(record, rounds) for record in records]
    return {way: mean(s[way] for s in every if way in s) for way in ways_of(records)}


def planner_excess(record: Record, rounds: Rounds) -> float | None:
    """How much slower the planner's plan is than the best other way (negative: faster)."""
    others = [median(rounds(m)) for way, m in record.ways.items() if way != PLANNER]
    if PLANNER not in record.ways or not others:
        return None
    return median(rounds(record.ways[PLANNER])) / min(others) - 1


def speedup(record: Record, one_board: str, rounds: Rounds) -> float | None:
    """How many times faster the planner's plan is than one board."""
    if PLANNER not in record.ways or one_board not in record.one_board:
        return None
    alone, together = record.one_board[one_board], record.ways[PLANNER]
    return median(rounds(alone)) / median(rounds(together))


def prediction_errors(records: Iterable[Record]) -> list[float]:
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
