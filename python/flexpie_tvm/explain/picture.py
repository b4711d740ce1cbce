# SPDX-License-Identifier: Apache-2.0
"""Timelines as a picture: a panel for each, a row per board, all on one scale of time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..extras import require
from ..plan import Timeline
from .style import EVENTS

ROW_INCHES = 0.45


def save_picture(timelines: Mapping[str, Timeline], path: Path) -> None:
    """Draw timelines into a .png or .svg file.

    Parameters
    ----------
    timelines : mapping
        Name, such as ``measured``, -> Timeline.
    path : Path
        Its suffix decides the format.
    """
    figures = require("matplotlib.figure", "a picture of a timeline")
    patch = require("matplotlib.patches", "a picture of a timeline").Patch
    rows = [max((e.board for e in t.events), default=0) + 1 for t in timelines.values()]
    figure = figures.Figure(figsize=(11, 1.4 + ROW_INCHES * sum(rows) + 0.6 * len(rows)), dpi=150)
    panels = figure.subplots(
        len(rows), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": rows}
    )
    for panel, (name, timeline) in zip(panels[:, 0], timelines.items(), strict=True):
        _draw(panel, name, timeline)
    ends = [max([t.latency, *(e.stop for e in t.events)]) for t in timelines.values()]
    panels[-1, 0].set_xlim(0, 1.01 * max(ends))
    panels[-1, 0].set_xlabel("ms from the start of the inference")
    colours = {colour: what for what, colour in EVENTS.items()}
    both = {EVENTS["scatter"]: "scatter, gather"}
    patches = [patch(color=c, label=both.get(c, what)) for c, what in colours.items()]
    figure.legend(handles=patches, loc="upper right", ncols=len(patches), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    figure.savefig(path)


def _draw(panel, name: str, timeline: Timeline) -> None:
    boards = range(max((e.board for e in timeline.events), default=0) + 1)
    for board in boards:
        for what, colour in EVENTS.items():
            mine = [e for e in timeline.events if (e.board, e.what) == (board, what)]
            spans = [(e.start, e.stop - e.start) for e in mine]
            panel.broken_barh(spans, (board - 0.4, 0.8), color=colour, edgecolor="none")
    panel.axvline(timeline.latency, color="#1d2329", linewidth=0.8, linestyle=":")
    panel.set_title(f"{name}: {timeline.latency:.2f} ms", loc="left", fontsize=10)
    panel.set_yticks(list(boards), [f"board {board}" for board in boards])
    panel.set_ylim(len(boards) - 0.5, -0.5)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
