# SPDX-License-Identifier: Apache-2.0
"""Where the time goes, from counters that are written down here."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from flexpie_tvm.lab.bench.grid import Case
from flexpie_tvm.lab.bench.networks import Network
from flexpie_tvm.lab.bench.records import load_records, save_record
from flexpie_tvm.lab.bench.report import write_report
from flexpie_tvm.lab.bench.spent import END, BoardStep, BoardTime, TimeCounter
from flexpie_tvm.lab.bench.spent_table import slowest
from flexpie_tvm.plan import ClusterSpec

from .test_figures import record

MS = 1_000_000  # nanoseconds


def exchange(layer: str, start: int, end: int, wait: int, pack: int, wire: int) -> dict:
    """Counters of one exchange of two runs that were alike."""
    sums = {"wait_ns": 2 * wait * MS, "pack_ns": 2 * pack * MS, "wire_ns": 2 * wire * MS}
    nbytes = {"bytes_sent": 200, "bytes_received": 400, "bytes_forwarded": 0}
    last = {"last_start_ns": start * MS, "last_end_ns": end * MS}
    return {"layer": layer, **sums, **nbytes, **last}


def stats(wait: int) -> dict:
    """Two runs: 2 ms computing, an exchange, 1 ms, another, 3 ms."""
    first, second = 2 + wait + 2, 2 + wait + 2 + 1
    end = second + 1 + 3
    return {
        "frames": 2,
        "run_ns": 2 * end * MS,
        "run_start_ns": 7 * MS,
        "run_end_ns": (7 + end) * MS,
        "exchanges": [
            exchange("conv_2", second, second + 1, 0, 0, 1),
            exchange("conv_1", 2, first, wait, 1, 1),
        ],
    }


class Deployed:
    """A deployment whose counters are given."""

    def __init__(self, *blocks: list[dict]):
        self.blocks, self.resets = list(blocks), 0

    def reset_stats(self) -> None:
        """Count how often."""
        self.resets += 1

    def stats(self) -> list[dict]:
        """The next block's counters."""
        return self.blocks.pop(0)


def test_steps_are_in_the_order_of_time_and_make_up_the_run():
    deployed = Deployed([stats(5)], [stats(1)], [stats(2)])
    counted = TimeCounter(deployed)
    for _ in range(3):
        with counted:
            pass
    (board,) = counted.boards()
    assert deployed.resets == 3
    assert board.steps == [
        BoardStep("conv_1", 2.0, 2.0, 1.0, 1.0),  # the median of the blocks waits 2 ms
        BoardStep("conv_2", 1.0, 0.0, 0.0, 1.0),
        BoardStep(END, 3.0),
    ]
    assert board.compute == pytest.approx(6)
    assert sum(step.total for step in board.steps) == pytest.approx(board.busy + board.wait)
    assert (board.bytes_sent, board.bytes_received) == (200, 400)


def test_a_block_that_fails_is_not_counted():
    counted = TimeCounter(Deployed([stats(1)]))
    with pytest.raises(ValueError, match="no board"), counted:
        raise ValueError("no board")
    assert counted.boards() == []


def times(busy: float) -> BoardTime:
    """A board that computes and waits, ten milliseconds in all."""
    steps = [BoardStep("conv_9", busy, 9.5 - busy), BoardStep(END, 0.5)]
    return BoardTime(busy, 10 - busy, 0.0, 0.0, 1e6, 2e6, 0.0, steps)


def test_the_table_shows_the_board_that_the_others_wait_for(tmp_path):
    found = record(auto=10)
    found.ways["auto"].boards.extend([times(4), times(7)])
    assert slowest(found.ways["auto"].boards) == 1
    text = write_report([found], tmp_path).read_text()
    assert "### Where the time goes" in text
    (row,) = [line for line in text.splitlines() if "conv_9" in line]
    assert row == (
        "| net | 10.00 | 5.00 | 5.00 | 1 | 7.00 | 3.00 | 0.00 | 0.00 | 1.00 / 2.00 "
        "| `conv_9` 9.50 (7.00), the end 0.50 (0.50) |"
    )
    assert "Where the time goes" not in write_report([record(auto=10)], tmp_path).read_text()


def test_records_keep_it_and_older_ones_load_without(tmp_path):
    found = record(auto=10)
    found.ways["auto"].boards.append(times(4))
    case = Case(Network("net", tmp_path / "net.onnx", {}), ClusterSpec(2))
    save_record(tmp_path, case, found)
    (loaded,) = load_records(tmp_path)
    assert loaded == found

    older = {"version": 1, **asdict(record(auto=10))}
    for one in (*older["ways"].values(), *older["one_board"].values()):
        del one["boards"]
    (tmp_path / "records" / f"{case.id}.json").write_text(json.dumps(older))
    (loaded,) = load_records(tmp_path)
    assert loaded.ways["auto"].boards == []

    derived = {"version": 2, **asdict(record(auto=10))}
    derived["ways"]["auto"]["host_ms"] = 5.0
    (tmp_path / "records" / f"{case.id}.json").write_text(json.dumps(derived))
    (loaded,) = load_records(tmp_path)
    assert loaded == record(auto=10)
