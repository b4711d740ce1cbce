# SPDX-License-Identifier: Apache-2.0
"""The two drawings of the page, as SVG text: the graph beside the table, the timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from .style import COLOURS, EVENTS, ROW, family

LANE = 12  # pixels between two long edges
WIDTH = 1000  # of the timeline, in its own units
BOARD = 30


def graph_column(layers: Sequence[dict], figures: Mapping[str, dict]) -> str:
    """A dot per table row, and an edge from each layer to those that read it.

    Edges to the next row are straight; longer ones go left, each in the innermost lane that
    is free between its ends.
    """
    row = {}
    for index, layer in enumerate(layers):
        row.setdefault(layer["layer"], index)
    edges = sorted(
        (
            (row[source], index)
            for name, index in row.items()
            for source in figures.get(name, {}).get("reads", ())
            if source in row
        ),
        key=lambda edge: (edge[1] - edge[0], edge),
    )
    lanes: list[list[tuple[int, int]]] = []
    paths = [(a, b, 0 if b == a + 1 else _lane(lanes, a, b)) for a, b in edges]
    right = (len(lanes) + 1) * LANE + 8
    parts = []
    for a, b, lane in paths:
        x, top, bottom = right - lane * LANE, _middle(a), _middle(b)
        shape = f"M{right},{top}V{bottom}"
        if lane:
            shape = f"M{right},{top}Q{x},{top} {x},{top + 14}V{bottom - 14}Q{x},{bottom} "
            shape += f"{right},{bottom}"
        parts.append(f"<path d='{shape}' fill='none' stroke='#8b95a1' stroke-width='1.5'/>")
    for index, layer in enumerate(layers):
        colour = COLOURS[family(layer)]
        fill = "#fff" if layer["mode"] != "T" else colour
        parts.append(
            f"<circle cx='{right}' cy='{_middle(index)}' r='6' fill='{fill}' stroke='{colour}' "
            f"stroke-width='2'><title>{escape(layer['layer'])}</title></circle>"
        )
    height = ROW * (len(layers) + 1)
    return f"<svg width='{right + 12}' height='{height}'>{''.join(parts)}</svg>"


def _middle(row: int) -> float:
    return ROW * (row + 1.5)  # below the table's head


def _lane(lanes: list[list[tuple[int, int]]], first: int, last: int) -> int:
    for number, taken in enumerate(lanes, 1):
        if all(last <= a or b <= first for a, b in taken):
            taken.append((first, last))
            return number
    lanes.append([(first, last)])
    return len(lanes)


def timeline(events: Sequence[Sequence], boards: int, latency: float) -> str:
    """A row per board, a box per event; names and times appear under the pointer."""
    scale = WIDTH / (latency or 1.0)
    left, parts = 62, []
    for board in range(boards):
        y = board * BOARD
        parts.append(f"<text x='0' y='{y + 18}' font-size='12'>board {board}</text>")
        parts.append(f"<rect x='{left}' y='{y + 4}' width='{WIDTH}' height='20' fill='#f4f6f8'/>")
    for board, what, name, start, stop in events:
        text = f"{escape(name)}: {what}, {start:.3f} to {stop:.3f} ms"
        parts.append(
            f"<rect x='{left + start * scale:.2f}' y='{board * BOARD + 4}' "
            f"width='{max(0.3, (stop - start) * scale):.2f}' height='20' "
            f"fill='{EVENTS[what]}' stroke='#fff' stroke-width='0.3'><title>{text}</title></rect>"
        )
    bottom = boards * BOARD
    for tenth in range(0, 11, 2):
        x = left + WIDTH * tenth / 10
        parts.append(
            f"<text x='{x:.0f}' y='{bottom + 14}' font-size='11' text-anchor='middle'>"
            f"{latency * tenth / 10:.2f}{' ms' if tenth == 10 else ''}</text>"
        )
    return (
        f"<svg id='timeline' viewBox='0 0 {left + WIDTH + 30} {bottom + 20}' width='100%' "
        f"height='{(bottom + 20) * 1.2:.0f}' preserveAspectRatio='none'>{''.join(parts)}</svg>"
    )
