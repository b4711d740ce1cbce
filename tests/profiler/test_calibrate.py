# SPDX-License-Identifier: Apache-2.0
"""``flexpie calibrate`` on real boards, and which tiles it takes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
import tvm

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cost import load_cost
from flexpie_tvm.cost.corrections import sort_of
from flexpie_tvm.cost.shipped import MODELS
from flexpie_tvm.fingerprint import kernels_fingerprint
from flexpie_tvm.lab.profiler import CalibrationOptions, chosen_tiles, time_chosen

BASE = MODELS / "x86_64-znver4.cost"


@pytest.fixture(scope="module")
def programs(target):
    options = CalibrationOptions(100, tiles=60)
    return chosen_tiles(tvm.target.Target(target), load_cost(BASE), options)


def test_the_first_tiles_are_as_varied_as_all(programs):
    works = [program.work for program in programs]
    assert len(set(works)) == len(works) >= 40
    families = Counter(work.conv_type for work in works)
    assert set(families) == set(Counter(work.conv_type for work in works[:16]))
    assert len(families) >= 8
    assert families["conv"] > 1.5 * families["transposed"]
    assert len({sort_of(work) for work in works}) >= 15
    times = load_cost(BASE).compute(works)
    assert times.max() / times.min() > 100


def test_no_batch_is_begun_that_would_end_too_late(programs):
    class Slow:
        """Takes a while for each batch, and tells what it was given."""

        def __init__(self):
            self.batches = []

        def time(self, batch, folder):
            assert folder.is_dir()
            self.batches.append(len(batch))
            return list(batch)

    told = []
    slow = Slow()
    found = time_chosen(
        slow, programs, CalibrationOptions(1e9, batch=7), lambda done, text: told.append(text)
    )
    assert found == programs
    assert sum(slow.batches) == len(programs)
    assert all(a >= b for a, b in pairwise(slow.batches))
    assert told[-1] == f"{len(programs)} timed"
    slow = Slow()
    assert len(time_chosen(slow, programs, CalibrationOptions(0.0, batch=7))) == 7


def test_calibrate_makes_a_cost_model_of_these_boards(boards, target, tmp_path, capsys):
    path = tmp_path / "here.cost"
    command = [
        "calibrate", "--tracker", f"{boards.host}:{boards.port}", "--key", boards.key, "--boards",
        "2", "--tiles", "16", "--seconds", "20", "--target", target, "--kind", "here", "-o",
        str(path), "--base", str(BASE),
    ]  # fmt: skip
    assert run_command(command) == 0
    said = capsys.readouterr().out
    assert "calibrated (here, from learned (local)), by " in said
    assert "tiles: " in said
    assert "held out: MAPE" in said
    assert "without calibration" in said
    cost = load_cost(path)
    assert cost.origin.setting.kernels == kernels_fingerprint()
    assert cost.origin.setting.how == "timed"
    assert 8 <= cost.origin.tiles <= 16
    assert cost.corrections.by_kind  # of tiles the base may be right
    assert cost.figures != load_cost(BASE).figures
    assert "host: " in said
    assert cost.figures.wake
    assert abs(cost.calls(2)) < 1000


def test_a_model_of_unlike_boards_is_corrected(boards, target, tmp_path):
    path = tmp_path / "here.cost"
    command = [
        "calibrate", "--tracker", f"{boards.host}:{boards.port}", "--key", boards.key, "--boards",
        "1", "--tiles", "16", "--seconds", "20", "--target", target, "-o", str(path), "--base",
        str(MODELS / "aarch64-cortex-a72.cost"),
    ]  # fmt: skip
    assert run_command(command) == 0
    cost = load_cost(path)
    assert cost.corrections.by_sort
    assert cost.corrections.of("").factor < 0.5  # this machine is faster than that board


def test_bad_calls_are_one_sentence(tmp_path, capsys):
    out = ["-o", str(tmp_path / "x.cost")]
    assert run_command(["calibrate", "--local", "--target", "llvm -mcpu=haswell", *out]) == 2
    assert "no cost model of processors like" in capsys.readouterr().err
    assert run_command(["calibrate", "--tracker", "127.0.0.1:1", "--key", "k", *out]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert run_command(["calibrate", *out]) == 2
    assert "--local or --tracker" in capsys.readouterr().err
    assert not (tmp_path / "x.cost").exists()
