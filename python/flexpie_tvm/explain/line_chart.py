# SPDX-License-Identifier: Apache-2.0
"""A chart of lines over 1, 2, 3 ... boards, as an SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 16, 30, 36
#: Lines of the grid at most, beside that of zero.
_GRID = 5


@dataclass(frozen=True)
class Line:
    """One line.

    Parameters
    ----------
    colour : str
        As CSS writes it.
    values : sequence of float
        Of 1, 2, 3 ... boards; not below zero.
    labels : sequence of str
        What each point says when a mouse is over it.
    marked : int or None
        The point that is drawn as an open ring.
    """

    colour: str
    values: Sequence[float]
    labels: Sequence[str]
    marked: int | None = None


@dataclass(frozen=True)
class Level:
    """A dashed line across the chart, with its name.

    Parameters
    ----------
    value : float
        Where.
    text : str
        Its name.
    """

    value: float
    text: str


def line_chart(title: str, lines: Sequence[Line], levels: Sequence[Level] = ()) -> str:
    """The chart.

    Parameters
    ----------
    title : str
        What the values are, with their unit.
    lines : sequence of Line
        At least one, with at least one value above zero.
    levels : sequence of Level
        To compare the lines with.
    """
    values = [value for line in lines for value in line.values]
    values += [level.value for level in levels]
    step = _step(max(values) / _GRID)
    rows = ceil(max(values) / step - 1e-9)
    boards = max(len(line.values) for line in lines)

    def across(number: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (number - 1) / max(boards - 1, 1)

    def up(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / (step * rows))

    parts = [_text(8, 16, title, "start", bold=True)]
    for row in range(rows + 1):
        y = up(step * row)
        parts.append(f"<path d='M{_LEFT},{y:.1f}H{_WIDTH - _RIGHT}' stroke='#e3e6ea'/>")
        parts.append(_text(_LEFT - 8, y + 4, f"{step * row:g}", "end"))
    for number in range(1, boards + 1):
        parts.append(_text(across(number), _HEIGHT - 20, str(number), "middle"))
    parts.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 4, "boards", "middle"))
    for level in levels:
        y = up(level.value)
        way = f"<path d='M{_LEFT},{y:.1f}H{_WIDTH - _RIGHT}' stroke='#5b6570'"
        parts.append(f"{way} stroke-dasharray='5 4'/>")
        parts.append(_text(_WIDTH - _RIGHT, y - 4, level.text, "end"))
    for line in lines:
        points = [(across(k + 1), up(value)) for k, value in enumerate(line.values)]
        parts += _drawn(line, points)
    return f"<svg width='{_WIDTH}' height='{_HEIGHT}'>{''.join(parts)}</svg>"


def _drawn(line: Line, points: Sequence[tuple[float, float]]) -> list[str]:
    way = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [f"<path d='M{way}' fill='none' stroke='{line.colour}' stroke-width='2'/>"]
    for k, (x, y) in enumerate(points):
        radius, fill = (6, "#fff") if k == line.marked else (3, line.colour)
        parts.append(
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' fill='{fill}' stroke='{line.colour}' "
            f"stroke-width='2'><title>{escape(line.labels[k])}</title></circle>"
        )
    return parts


def _step(least: float) -> float:
    """The next larger of 1, 2, 2.5, 5, 10, .. and their tenths and so on."""
    power = 10.0 ** floor(log10(least))
    return next(power * k for k in (1, 2, 2.5, 5, 10) if power * k >= least * (1 - 1e-9))


def _text(x: float, y: float, text: str, anchor: str, bold: bool = False) -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='11' text-anchor='{anchor}'"
    weight = " font-weight='600'" if bold else ""
    return f"<text {place}{weight} fill='#5b6570'>{escape(text)}</text>"
