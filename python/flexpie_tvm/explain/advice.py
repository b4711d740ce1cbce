# SPDX-License-Identifier: Apache-2.0
"""Advice on boards as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, log10

from ..machine import known_board
from ..machine.board_data import Published
from ..plan.search.advise import Curve
from .style import STYLE

#: Slowest link first.
COLOURS = ("#666f7a", "#c4661f", "#2f6fb3", "#16857a", "#7a4fb5", "#b03a6f")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 460, 260, 56, 36
_GRID = 4


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
    body = [f"<h1>How many boards for {escape(title)}?</h1>"]
    for kind in kinds:
        own = [curve for curve in found if curve.points[0].board == kind]
        others = [one for one in published if one.board.key == kind]
        body += [f"<h2>{escape(known_board(kind).name)}</h2>", _cards(own, others)]
        body += [f"<div class='cards'>{_picture(own)}</div>", _legend(own), _table(own)]
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
        threads = "one core" if one.threads == 1 else f"{one.threads} cores"
        cards.append(
            (
                f"one board by ncnn in {one.precision}, {threads}",
                f"{one.milliseconds:.1f} ms (published)",
            )
        )
    inside = (f"<div><span>{escape(k)}</span>{escape(v)}</div>" for k, v in cards)
    return f"<div class='cards'>{''.join(inside)}</div>"


def _picture(own: Sequence[Curve]) -> str:
    """Milliseconds over boards, a line for each link; a ring where the next board stops paying."""
    step = _step(max(point.latency_ms for curve in own for point in curve.points) / _GRID)
    most = step * _GRID
    boards = max(len(curve.points) for curve in own)

    def place(number: float, ms: float) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - 16) * (number - 1) / max(boards - 1, 1)
        return x, 12 + (_HEIGHT - _BOTTOM - 12) * (1 - ms / most)

    parts = []
    for line in range(_GRID + 1):
        _, y = place(1, step * line)
        parts.append(f"<path d='M{_LEFT},{y:.1f}H{_WIDTH - 16}' stroke='#e3e6ea'/>")
        parts.append(_text(_LEFT - 6, y + 4, f"{step * line:g}", "end"))
    for number in range(1, boards + 1):
        parts.append(_text(place(number, 0)[0], _HEIGHT - 20, str(number), "middle"))
    parts.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 4, "milliseconds over boards", "middle"))
    for curve, colour in zip(own, _colours(own), strict=True):
        points = [place(point.boards, point.latency_ms) for point in curve.points]
        line = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f"<path d='M{line}' fill='none' stroke='{colour}' stroke-width='2'/>")
        for (x, y), point in zip(points, curve.points, strict=True):
            label = f"{point.boards} boards, {point.gbps:g} Gb/s: {point.latency_ms:.1f} ms"
            radius = 6 if point is curve.best else 3
            fill = "#fff" if point is curve.best else colour
            parts.append(
                f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' fill='{fill}' stroke='{colour}' "
                f"stroke-width='2'><title>{label}</title></circle>"
            )
    return f"<svg width='{_WIDTH}' height='{_HEIGHT}'>{''.join(parts)}</svg>"


def _step(least: float) -> float:
    """The next larger of 1, 2, 2.5, 5, 10, .. and their tenths and so on."""
    power = 10.0 ** floor(log10(least))
    return next(power * k for k in (1, 2, 2.5, 5, 10) if power * k >= least * (1 - 1e-9))


def _text(x: float, y: float, text: str, anchor: str) -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='11' text-anchor='{anchor}'"
    return f"<text {place} fill='#5b6570'>{text}</text>"


def _colours(own: Sequence[Curve]) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(len(own))]


def _legend(own: Sequence[Curve]) -> str:
    parts = [
        f"<i style='background:{colour}'></i>{curve.points[0].gbps:g} Gb/s"
        for curve, colour in zip(own, _colours(own), strict=True)
    ]
    return (
        f"<div class='legend'>{''.join(parts)}; a ring: more boards gain less than 5 % each</div>"
    )


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
    return f"<details><summary>all figures</summary>{table}</details>"
