# SPDX-License-Identifier: Apache-2.0
"""Advice on boards as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..machine import known_board
from ..machine.board_data import Published
from ..plan.search.advise import Curve
from .line_chart import Level, Line, line_chart
from .style import STYLE

#: Slowest link first.
COLOURS = ("#666f7a", "#c4661f", "#2f6fb3", "#16857a", "#7a4fb5", "#b03a6f")

_WHAT = (
    "One inference: the input's way from the host, computing, exchanges between boards, and the "
    "answer's way back. Published figures of other engines are of computing alone."
)


def advice_page(title: str, found: Sequence[Curve], published: Sequence[Published]) -> str:
    """The page.

    Parameters
    ----------
    title : str
        The model's name.
    found : sequence of Curve
        Of all kinds of boards and links.
    published : sequence of Published
        What other engines are known to take for the model on one such board; may be empty.
    """
    kinds = list(dict.fromkeys(curve.points[0].board for curve in found))
    body = [f"<h1>How many boards for {escape(title)}?</h1>", f"<p>{_WHAT}</p>"]
    for kind in kinds:
        own = [curve for curve in found if curve.points[0].board == kind]
        others = [one for one in published if one.board.key == kind]
        body += [f"<h2>{escape(known_board(kind).name)}</h2>", _cards(own, others)]
        body += [f"<div class='cards'>{_charts(own, others)}</div>", _legend(own), _table(own)]
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )


def _cards(own: Sequence[Curve], others: Sequence[Published]) -> str:
    cards = [("costs from", own[0].points[0].cost_model)]
    for curve in own:
        best = curve.best
        text = f"{best.boards} boards: {best.latency_ms:.1f} ms" if best.boards > 1 else "one board"
        cards.append((f"enough at {best.gbps:g} Gb/s", text))
    for one in others:
        cards.append(
            (
                f"one board by ncnn in {one.precision}, {_cores(one)}",
                f"{one.milliseconds:.1f} ms (published)",
            )
        )
    inside = (f"<div><span>{escape(k)}</span>{escape(v)}</div>" for k, v in cards)
    return f"<div class='cards'>{''.join(inside)}</div>"


def _charts(own: Sequence[Curve], others: Sequence[Published]) -> str:
    """Latency, and frames in a stream, over boards: a line for each link."""
    pairs = list(zip(own, _colours(own), strict=True))
    waits = [_line(curve, colour, "latency_ms", "ms") for curve, colour in pairs]
    frames = [_line(curve, colour, "streamed", "frames/s") for curve, colour in pairs]
    best = min(others, key=lambda one: one.milliseconds, default=None)
    levels = []
    if best is not None:
        levels.append(Level(best.milliseconds, f"ncnn, one board, {_cores(best)} (published)"))
    first = line_chart("milliseconds of one inference", waits, levels)
    return first + line_chart("frames a second, streamed", frames)


def _line(curve: Curve, colour: str, figure: str, unit: str) -> Line:
    values = [getattr(point, figure) for point in curve.points]
    labels = [
        f"{point.boards} boards, {point.gbps:g} Gb/s: {value:.1f} {unit}"
        for point, value in zip(curve.points, values, strict=True)
    ]
    return Line(colour, values, labels, curve.points.index(curve.best))


def _cores(one: Published) -> str:
    return "one core" if one.threads == 1 else f"{one.threads} cores"


def _colours(own: Sequence[Curve]) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(len(own))]


def _legend(own: Sequence[Curve]) -> str:
    parts = [
        f"<i style='background:{colour}'></i>{curve.points[0].gbps:g} Gb/s"
        for curve, colour in zip(own, _colours(own), strict=True)
    ]
    ring = "<span>&emsp;◯ from here on another board gains less than 5 %</span>"
    return f"<div class='legend'>{''.join(parts)}{ring}</div>"


def _table(own: Sequence[Curve]) -> str:
    head = ("link", "boards", "in use", "ms", "frames/s", "frames/s streamed")
    cells = "".join(f"<th class='number'>{name}</th>" for name in head)
    rows = []
    for curve in own:
        for p in curve.points:
            values = (
                f"{p.gbps:g} Gb/s", str(p.boards), str(p.used), f"{p.latency_ms:.1f}",
                f"{p.frames:.1f}", f"{p.streamed:.1f}",
            )  # fmt: skip
            mark = " style='font-weight:600'" if p is curve.best else ""
            inside = "".join(f"<td class='number'>{value}</td>" for value in values)
            rows.append(f"<tr{mark}>{inside}</tr>")
    table = f"<table><tr>{cells}</tr>{''.join(rows)}</table>"
    return f"<details open><summary>all figures</summary>{table}</details>"
