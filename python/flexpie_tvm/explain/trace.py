# SPDX-License-Identifier: Apache-2.0
"""Timelines as a Chrome trace, for Perfetto (ui.perfetto.dev) or chrome://tracing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..plan import Timeline


def chrome_trace(timelines: Mapping[str, Timeline]) -> dict:
    """A trace with a process per timeline and a thread per board.

    Parameters
    ----------
    timelines : mapping
        Name, such as ``measured``, -> Timeline.
    """
    rows: list[dict] = []
    for process, (name, timeline) in enumerate(timelines.items()):
        rows.append(_named("process_name", process, 0, name))
        for board in sorted({e.board for e in timeline.events}):
            rows.append(_named("thread_name", process, board, f"board {board}"))
        rows.extend(
            {
                "ph": "X",
                "pid": process,
                "tid": event.board,
                "name": event.name,
                "cat": event.what,
                "ts": event.start * 1e3,  # microseconds
                "dur": (event.stop - event.start) * 1e3,
                "args": {"what": event.what},
            }
            for event in timeline.events
        )
    return {"traceEvents": rows, "displayTimeUnit": "ms"}


def save_trace(timelines: Mapping[str, Timeline], path: Path) -> None:
    """Write a Chrome trace.

    Parameters
    ----------
    timelines : mapping
        Name -> timeline, as of `chrome_trace`.
    path : Path
        The JSON file to write.
    """
    path.write_text(json.dumps(chrome_trace(timelines)) + "\n")


def _named(what: str, process: int, thread: int, name: str) -> dict:
    return {"ph": "M", "pid": process, "tid": thread, "name": what, "args": {"name": name}}
