# SPDX-License-Identifier: Apache-2.0
"""Traces of tiles that were counted under qemu: ``flexpie profile --simulate``."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cost.board_model import load_fitted
from flexpie_tvm.cost.records import MODELLED
from flexpie_tvm.cost.traces import read_tiles
from flexpie_tvm.fingerprint import kernels_fingerprint
from flexpie_tvm.lab.counting.cpus import CPUS
from flexpie_tvm.lab.counting.modelled_tiles import TileModeller, modelled_setting
from flexpie_tvm.lab.counting.tile_counts import count_batch
from flexpie_tvm.lab.profiler import TileOptions, subject_of
from flexpie_tvm.lab.profiler.kernels import compile_batch
from flexpie_tvm.lab.profiler.sampler import sample_tiles
from flexpie_tvm.machine import known_board
from flexpie_tvm.runtime.native import linker_for

PI4 = known_board("pi4")
ROWS, CHANNELS = (14, 28), 128
MODEL = "cortex-a72"


@pytest.fixture(scope="module")
def subject():
    """Two pointwise convolutions, of which one has twice the rows of the other."""
    weights = np.random.default_rng(1).normal(size=(CHANNELS, CHANNELS, 1, 1)).astype("float32")
    inputs = [relay.var(f"x{n}", shape=(1, CHANNELS, n, 28)) for n in ROWS]
    results = [
        relay.nn.relu(
            relay.nn.conv2d(x, relay.const(weights), channels=CHANNELS, kernel_size=(1, 1))
        )
        for x in inputs
    ]
    module = tvm.IRModule.from_expr(relay.Function(inputs, relay.Tuple(results)))
    return subject_of("made", module, tvm.target.Target(PI4.target))


def test_twice_the_rows_take_twice_the_cycles(subject, counting, tmp_path):
    programs = [
        program
        for program in sample_tiles(subject, np.random.default_rng(0), 1, set())
        if program.work.conv_type == "pointwise"
    ]
    target = tvm.target.Target(PI4.target)
    batch = compile_batch(programs, target, tmp_path / "tiles.so", linker_for(PI4.target))
    counted = count_batch(batch, CPUS[MODEL], MODEL)
    assert len(counted) == len(programs) == 2
    for program, counts in zip(programs, counted, strict=True):
        products = program.work.flops / 2
        assert 0.24 < counts.cycles[MODEL] / products < 0.35  # one fused product of four a cycle
        assert counts.layers == 1
        # weights and results come from memory; what is read was just written
        weights = program.work.bytes_weights / 64
        assert weights <= counts.l2_misses < 1.3 * program.work.bytes_moved / 64


def test_simulated_traces_are_marked_and_are_milliseconds_of_the_board_model(
    subject, counting, tmp_path
):
    setting = modelled_setting(PI4, str(tvm.target.Target(PI4.target)), tvm.__version__)
    modeller = TileModeller(PI4, setting)
    options = TileOptions(600, 1, batch=2, overlap=False, families=("pointwise",))
    assert next(modeller.run(tmp_path, [subject], options)) >= 1
    traces = read_tiles(tmp_path)
    assert traces
    start = load_fitted()["pi4"].start * 1e3 / 1.8e6
    for trace in traces:
        assert trace.setting == setting
        assert trace.setting.how == MODELLED
        assert trace.setting.kernels == kernels_fingerprint()
        assert trace.setting.threads == 4
        assert start < trace.ms < start + trace.work.flops / 1e6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--local"], "leave out --local"),
        (["--target", "llvm"], "leave out --target"),
        (["--only", "transfers"], "models tiles only"),
    ],
)
def test_what_contradicts_a_simulation_is_one_sentence(tmp_path, capsys, arguments, said):
    command = ["profile", "--simulate", "pi4", "-o", str(tmp_path / "traces"), *arguments]
    assert run_command(command) == 2
    assert said in capsys.readouterr().err
    assert run_command(["profile", "--simulate", "pi9", "-o", str(tmp_path / "traces")]) == 2
    assert "board 'pi9' is not known" in capsys.readouterr().err
