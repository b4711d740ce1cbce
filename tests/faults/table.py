# SPDX-License-Identifier: Apache-2.0
"""Counts and the longest waits, for each kind of fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .fault import KINDS, Fault, Outcome

#: Seconds within which boards are free again, and within which all are registered again.
FREE, REGISTERED = 1.0, 10.0


class Row(NamedTuple):
    """A fault, what came of it, and what was to be done about a lost board."""

    fault: Fault
    outcome: Outcome
    on_board_lost: str


def table(rows: Sequence[Row], deadline: float) -> str:
    """A Markdown table; what has to be 0 is named in its head."""
    head = (
        "fault", "times", "answers", "errors", "wrong (0)", "raw (0)", "wrongly named (< 1%)",
        f"calls > {2 * deadline + 1:.0f} s (0)", f"not free in {FREE:.0f} s (0)",
        f"not back in {REGISTERED:.0f} s (0)", "longest call s",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for mode in ("raise", "replan"):
        for kind in (*KINDS, "all"):
            of = [
                row
                for row in rows
                if row.on_board_lost == mode and kind in ("all", row.fault.kind)
            ]
            if of:
                cells = _cells([row.outcome for row in of], deadline)
                lines.append(f"| {mode}, {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(outcomes: Sequence[Outcome], deadline: float) -> list[str]:
    counts = (
        len(outcomes),
        sum(o.answers for o in outcomes),
        sum(bool(o.error) for o in outcomes),
        sum(o.wrong for o in outcomes),
        sum(o.raw for o in outcomes),
        sum(not o.named for o in outcomes),
        sum(o.waited > 2 * deadline + 1 for o in outcomes),
        sum(o.free > FREE for o in outcomes),
        sum(o.registered > REGISTERED for o in outcomes),
    )
    return [*map(str, counts), f"{max(o.waited for o in outcomes):.1f}"]
