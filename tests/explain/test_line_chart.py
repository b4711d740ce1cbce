# SPDX-License-Identifier: Apache-2.0
"""Charts of lines over boards: every point within the frame, at the height of its value."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from flexpie_tvm.explain.line_chart import Level, Line, line_chart


def line(values, marked=None) -> Line:
    return Line("#123456", values, [f"{value} <ms>" for value in values], marked)


def grid(svg: ElementTree.Element) -> tuple[np.ndarray, np.ndarray]:
    """The numbers beside the grid, and the height of each line of it."""
    beside = [text.text for text in svg.iter("text") if text.get("text-anchor") == "end"]
    ways = [p.get("d") for p in svg.iter("path") if p.get("stroke") == "#e3e6ea"]
    heights = [float(way.partition(",")[2].partition("H")[0]) for way in ways]
    return np.array([float(text) for text in beside[: len(heights)]]), np.array(heights)


@pytest.mark.parametrize("scale", [0.003, 1.0, 100.8, 4e5])
def test_points_are_where_the_grid_says(scale):
    values = (scale * np.random.default_rng(3).uniform(0.1, 1, 8)).tolist()
    svg = ElementTree.fromstring(line_chart("ms", [line(values)]))
    numbers, heights = grid(svg)
    assert 3 <= len(numbers) <= 6
    assert numbers[0] == 0
    assert max(values) <= numbers[-1] <= 1.7 * max(values)  # no chart of which half is empty
    found = [float(circle.get("cy")) for circle in svg.iter("circle")]
    assert found == pytest.approx(np.interp(values, numbers, heights), abs=0.2)
    across = [float(circle.get("cx")) for circle in svg.iter("circle")]
    assert across == sorted(across)
    assert np.diff(across) == pytest.approx(np.diff(across)[0], abs=0.2)


def test_rings_levels_and_what_points_say():
    chart = line_chart("a < b", [line([3.0, 2.0, 1.9], 1), line([1.0, 0.5, 0.4], 0)],
                       [Level(7.0, "others & more")])  # fmt: skip
    svg = ElementTree.fromstring(chart)
    circles = list(svg.iter("circle"))
    assert [c.get("fill") for c in circles].count("#fff") == 2
    assert [k for k, c in enumerate(circles) if c.get("fill") == "#fff"] == [1, 3]
    assert circles[1].find("title").text == "2.0 <ms>"
    numbers, heights = grid(svg)
    assert numbers[-1] >= 7  # what lines are compared with is on the chart
    dashed = next(p for p in svg.iter("path") if p.get("stroke-dasharray"))
    height = float(dashed.get("d").partition(",")[2].partition("H")[0])
    assert height == pytest.approx(np.interp(7, numbers, heights), abs=0.2)
    assert "others & more" in {text.text for text in svg.iter("text")}


def test_one_board_alone():
    svg = ElementTree.fromstring(line_chart("ms", [line([5.0], 0)]))
    assert len(list(svg.iter("circle"))) == 1
