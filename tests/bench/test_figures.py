# SPDX-License-Identifier: Apache-2.0
"""Figures of a benchmark from records that are written down here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flexpie_tvm.lab.bench.figures import (
    end_to_end,
    in_place,
    mean_scores,
    median_error,
    one_board,
    planner_excess,
    prediction_errors,
    scores,
    speedup,
    spread,
    ways_of,
)
from flexpie_tvm.lab.bench.records import CaseRecord, MeasuredWay
from flexpie_tvm.lab.bench.report import write_report
from flexpie_tvm.lab.bench.spent import BoardTime


def record(boards: int = 2, **times: float) -> CaseRecord:
    """A record in which every way takes the given time, three rounds, and half of it in place."""

    def measured(ms: float) -> MeasuredWay:
        return MeasuredWay([ms, ms * 2, ms / 2], [ms / 2] * 3, 1e-6, ms * 1.1, 1000, 2.0, "p")

    ways = {way: measured(ms) for way, ms in times.items()}
    one = {"TVM": measured(40.0), "flexpie": measured(35.0), "onnxruntime": measured(30.0)}
    machine = {"processor": "a processor"}
    return CaseRecord("net", boards, 1e9, "mesh", "local boards", "table", 3, machine, ways, one)


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
    assert planner_excess(record(auto=1), end_to_end) is None
    assert speedup(record(InH=1), end_to_end) is None


@pytest.mark.parametrize("fastest", ["TVM", "flexpie", "onnxruntime"])
def test_a_speedup_is_against_the_fastest_engine_on_one_board(fastest):
    found = record(auto=10)
    found.one_board[fastest] = replace(found.one_board[fastest], ms=[20.0], in_place_ms=[8.0])
    assert speedup(found, end_to_end) == (fastest, 2.0)
    assert speedup(found, in_place) == (fastest, 8 / 5)


def test_older_records_have_no_engine_of_ours(tmp_path):
    found = record(auto=10)
    del found.one_board["flexpie"]
    assert one_board(found, end_to_end)["flexpie"] is None
    assert speedup(found, end_to_end) == ("onnxruntime", 3.0)
    text = write_report([found], tmp_path).read_text()
    assert (
        "| net | 40.0 ±38% | not measured | 30.0 ±38% | 10.0 ±38% |  | 3.00 | onnxruntime |" in text
    )


def test_a_plan_that_is_all_on_one_board_is_one_board_of_ours():
    def board(compute: float) -> BoardTime:
        return BoardTime(compute, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    found = record(auto=10, Single=12)
    del found.one_board["flexpie"]
    found.ways["Single"] = replace(
        found.ways["Single"], bytes_exchanged=0, boards=[board(11.0), board(0.001)]
    )
    assert speedup(found, end_to_end) == ("flexpie", 1.2)
    # boards that compute without a word to each other are several
    found.ways["auto"] = replace(
        found.ways["auto"], bytes_exchanged=0, boards=[board(5.0), board(4.0)]
    )
    assert speedup(found, end_to_end) == ("flexpie", 1.2)
    found.ways["auto"] = replace(found.ways["auto"], boards=[board(0.0), board(4.0)])
    assert speedup(found, end_to_end) == ("flexpie", 1.0)


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
