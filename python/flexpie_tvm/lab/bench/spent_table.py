# SPDX-License-Identifier: Apache-2.0
"""The table "Where the time goes" of a cluster's records."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from .figures import PLANNER
from .markdown import table
from .records import CaseRecord, MeasuredWay
from .spent import END, BoardStep, BoardTime

COSTLIEST = 3
HEAD = (
    "model", "end to end", "host", "input in place", "board", "compute", "waiting", "packing",
    "sending", "MB out / in", "steps that take the longest",
)  # fmt: skip
NOTE = (
    f"Of `{PLANNER}`, in milliseconds, on the board that waits least: the others wait for it. "
    "`host` is scatter, gather and RPC: end to end without input in place. A step is an "
    "exchange and the computing that leads to it, named after the layer whose result is exchanged; "
    "in brackets what of it is computing."
)


def spent_section(records: Sequence[CaseRecord]) -> str | None:
    """Heading, note and table; None if no record has the planner's counters."""
    found = [(r.model, r.ways[PLANNER]) for r in records if PLANNER in r.ways]
    rows = [_row(model, measured) for model, measured in found if measured.boards]
    if not rows:
        return None
    return f"### Where the time goes\n\n{NOTE}\n\n{table(HEAD, rows)}"


def slowest(boards: Sequence[BoardTime]) -> int:
    """Rank of the board that the others wait for."""
    return max(range(len(boards)), key=lambda rank: boards[rank].busy)


def _row(model: str, measured: MeasuredWay) -> list[str]:
    rank = slowest(measured.boards)
    board = measured.boards[rank]
    end_to_end, in_place = median(measured.ms), median(measured.in_place_ms)
    times = [board.compute, board.wait, board.pack, board.wire]
    outgoing = board.bytes_sent + board.bytes_forwarded
    incoming = board.bytes_received + board.bytes_forwarded
    return [
        model,
        *(f"{ms:.2f}" for ms in (end_to_end, end_to_end - in_place, in_place)),
        str(rank),
        *(f"{ms:.2f}" for ms in times),
        f"{outgoing / 1e6:.2f} / {incoming / 1e6:.2f}",
        _costliest(board.steps),
    ]


def _costliest(steps: Sequence[BoardStep]) -> str:
    longest = sorted(steps, key=lambda step: -step.total)[:COSTLIEST]
    return ", ".join(f"{_name(s)} {s.total:.2f} ({s.compute:.2f})" for s in longest)


def _name(step: BoardStep) -> str:
    return END if step.layer == END else f"`{step.layer}`"
