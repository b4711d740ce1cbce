# SPDX-License-Identifier: Apache-2.0
"""Figures of a benchmark from records that are written down here."""

from __future__ import annotations

import pytest

from flexpie_tvm.bench.figures import (
    end_to_end,
    in_place,
    mean_scores,
    median_error,
    planner_excess,
    prediction_errors,
    scores,
    speedup,
    spread,
    ways_of,
)
from flexpie_tvm.bench.records import Measured, Record
from flexpie_tvm.bench.report import write_report


def record(boards: int = 2, **times: float) -> Record:
    """A record in which every way takes the given time, three rounds, and half of it in place."""

    def measured(ms: float) -> Measured:
        return Measured([ms, ms * 2, ms / 2], [ms / 2] * 3, 1e-6, ms * 1.1, 1000, 2.0, "p")

    ways = {way: measured(ms) for way, ms in times.items()}
    one = {"TVM": measured(40.0), "onnxruntime": measured(30.0)}
    machine = {"processor": "a processor"}
    return Record("net", boards, 1e9, "mesh", "local boards", "table", 3, machine, ways, one)


def test_scores_are_best_over_own():
    assert scores(record(auto=10, InH=20, OutC=40), end_to_end) == {
        "auto": 1.0, "InH": 0.5, "OutC": 0.25,
    }  # fmt: skip
    several = [record(auto=10, InH=20), record(auto=20, InH=10)]
    assert mean_scores(several, in_place) == {"auto": 0.75, "InH": 0.75}
    assert ways_of([record(auto=1, InH=2)]) == ["InH", "auto"]


def test_planner_against_the_best_other_way_and_one_board():
    found = record(auto=10.3, InH=10, OutC=40)
    assert planner_excess(found, end_to_end) == pytest.approx(0.03)
    assert speedup(found, "TVM", end_to_end) == pytest.approx(40 / 10.3)
    assert planner_excess(record(auto=1), end_to_end) is None
    assert speedup(record(InH=1), "TVM", end_to_end) is None


def test_prediction_errors():
    errors = prediction_errors([record(auto=10, InH=20)])
    assert errors == pytest.approx([0.1, 0.1])
    assert median_error([-0.3, 0.1, 0.2]) == 0.2
    assert median_error([]) is None


def test_spread_is_half_the_middle_half():
    assert spread([10.0]) == 0
    assert spread([8.0, 9.0, 10.0, 11.0, 12.0]) == pytest.approx(0.1)


def test_report_names_every_way_and_shows_its_pictures(tmp_path):
    records = [record(2, auto=10, InH=20), record(4, auto=5, InH=20, OutC=30)]
    text = write_report(records, tmp_path).read_text()
    assert "| net | 40.0" in text
    assert "## 4 boards, mesh, 1000 Mb/s, local boards" in text
    assert "Predicted against measured latency: median error 10.0%" in text
    for picture in ("latencies.png", "scores.png", "predicted.png"):
        assert f"({picture})" in text
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
