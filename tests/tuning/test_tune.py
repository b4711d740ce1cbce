# SPDX-License-Identifier: Apache-2.0
"""Tuning on boards: what is recorded, what a build makes of it, and boards that are lost."""

from __future__ import annotations

import os
import signal

import numpy as np
import onnxruntime
import pytest
import tvm

import flexpie_tvm
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.errors import ClusterError
from flexpie_tvm.kernels.target import name_of
from flexpie_tvm.lab.testbed import TestbedOptions, testbed
from flexpie_tvm.lab.tuning import (
    Board,
    TuneOptions,
    candidates,
    extract_tasks,
    fastest,
    read_records,
    tune,
)
from flexpie_tvm.runtime import Cluster, local_boards, relative_error
from flexpie_tvm.testing import emulate_whole

from ..runtime.testbed.conftest import wait_until_free
from .conftest import ARM

SHAPE = ["--shape", "image=1x3x16x16", "--boards", "2", "--scheme", "InH"]


class Watched(dict):
    """Measured configurations that remember which of them a build asked for."""

    def __init__(self, *given):
        super().__init__(*given)
        self.taken = set()

    def get(self, key, default=None):
        if key in self:
            self.taken.add(key)
        return super().get(key, default)


@pytest.fixture(scope="module")
def tuned(small_onnx, tmp_path_factory):
    """Records of the small net's kernels on two boards, two trials each."""
    path = tmp_path_factory.mktemp("tuned") / "records"
    command = ["tune", str(small_onnx), "--local", *SHAPE, "--trials", "2", "-o", str(path)]
    assert run_command(command) == 0
    return path, command


@pytest.fixture(scope="module")
def annotated(small_onnx, target):
    """The small net, its rows cut over two boards."""
    whole = flexpie_tvm.load_onnx(small_onnx, {"image": (1, 3, 16, 16)})
    module = flexpie_tvm.FlexPiePreOptimize(target)(whole)
    return flexpie_tvm.FlexPiePartition(2, "InH")(module)


def test_records_are_of_the_boards_own_shapes(tuned, annotated, target):
    records = read_records(tuned[0])
    kernels = {record.workload for record in records}
    wanted = {t.workload for t in extract_tasks(annotated, target) if len(candidates(t)) > 1}
    assert kernels == wanted
    assert len(records) == 2 * len(kernels)
    assert all(record.seconds < 1 for record in records)
    # eight rows of sixteen and the neighbour's one
    assert (1, 1, 9, 16, 3) in {record.workload[1][1] for record in records}


def test_a_second_call_measures_nothing_again(tuned, capsys):
    path, command = tuned
    before = path.read_text()
    assert run_command(command) == 0
    assert path.read_text() == before
    kernels = len({record.kernel for record in read_records(path)})
    assert f"{2 * kernels} measurements of {kernels} kernels" in capsys.readouterr().out


def test_a_build_takes_the_recorded_tiles_and_answers_right(
    tuned, annotated, target, boards, small_onnx, tmp_path
):
    """Whatever was measured, each kernel is given the tile that was not predicted."""
    own = tvm.target.Target(target)
    other = {
        (name_of(own), task.workload): candidates(task)[1]
        for task in extract_tasks(annotated, target)
        if len(candidates(task)) > 1
    }
    watched = Watched(other)
    assert other.keys() == fastest(tuned[0], [own]).keys()
    plain = flexpie_tvm.build(annotated, target, tmp_path / "plain.flexpie")
    artifact = flexpie_tvm.build(annotated, target, tmp_path / "tuned.flexpie", measured=watched)
    assert watched.taken == set(other)
    code = [(a.path / "board0.so").read_bytes() for a in (plain, artifact)]
    assert code[0] != code[1]
    image = {"image": np.random.default_rng(1).normal(size=(1, 3, 16, 16)).astype("float32")}
    expected = onnxruntime.InferenceSession(
        str(small_onnx), providers=["CPUExecutionProvider"]
    ).run(None, image)
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 2) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        assert relative_error(deployment.run(image)[0], expected[0]) < 1e-5


def test_the_command_line_builds_and_runs_with_records(tuned, small_onnx, tmp_path):
    records = ["--tuned", str(tuned[0])]
    path = tmp_path / "small.flexpie"
    assert run_command(["build", str(small_onnx), *SHAPE, *records, "-o", str(path)]) == 0
    assert run_command(["run", str(path), "--local", *records]) == 2
    run = ["run", str(small_onnx), "--local", "--repeat", "1", "--verify", *SHAPE, *records]
    assert run_command(run) == 0


def test_records_for_another_target_are_one_line(tuned, small_onnx, tmp_path, capfd):
    command = ["build", str(small_onnx), *SHAPE, "--target", ARM, "--tuned", str(tuned[0])]
    assert run_command([*command, "-o", str(tmp_path / "small.flexpie")]) == 2
    said = capfd.readouterr().err
    assert "have none for target 'llvm" in said
    assert "Traceback" not in said


def test_time_that_is_up_ends_it_before_the_next_kernel(annotated, target, tmp_path, boards):
    board = Board(boards.host, boards.port, boards.key, 1)
    tasks, path = extract_tasks(annotated, target), tmp_path / "records"
    assert not tune(tasks, board, path, TuneOptions(2, 1e-9))
    assert not path.exists()


def test_an_interrupt_keeps_what_was_recorded(annotated, target, tmp_path, boards):
    def tried(trial):
        raise KeyboardInterrupt

    board = Board(boards.host, boards.port, boards.key, 1)
    path = tmp_path / "records"
    with pytest.raises(KeyboardInterrupt):
        tune(extract_tasks(annotated, target), board, path, TuneOptions(2), tried=tried)
    assert len(read_records(path)) == 1


def test_a_lost_board_is_a_sentence_and_no_record(annotated, target, tmp_path):
    """Its server is killed after the first measurement."""
    path, tasks = tmp_path / "records", extract_tasks(annotated, target)
    with local_boards(1) as local:
        board = Board(local.host, local.port, local.key)

        def tried(trial):
            if trial.done == 1:
                os.killpg(local.pids[0], signal.SIGKILL)

        with pytest.raises(ClusterError, match=r"the boards are lost, and '.*' keeps what"):
            tune(tasks, board, path, TuneOptions(2), tried=tried)
    records = read_records(path)
    assert records
    assert all(record.seconds < 1 for record in records)


needs_emulation = pytest.mark.skipif(
    os.geteuid() != 0 or os.uname().machine != "x86_64",
    reason="boards of aarch64 are emulated by root on x86-64: run the tests there to test it",
)


@needs_emulation
def test_tiles_of_arm_boards(blocked, tmp_path):
    annotated = flexpie_tvm.FlexPiePartition(2, "InH")(blocked)
    tasks, path = extract_tasks(annotated, ARM)[::2], tmp_path / "records"
    image = {"x": np.random.default_rng(1).normal(size=(1, 2, 12, 10, 4)).astype("float32")}
    (expected,) = emulate_whole(blocked, image)
    options = TestbedOptions(2, archs=("aarch64", "aarch64"))
    with testbed(options, "arm", tmp_path) as bed:
        board = Board(bed.host, bed.port, bed.key)
        assert tune(tasks, board, path, TuneOptions(2), "aarch64-linux-gnu-g++")
        measured = fastest(path, [tvm.target.Target(ARM)])
        assert {workload for _, workload in measured} == {task.workload for task in tasks}
        name = name_of(tvm.target.Target(ARM))
        other = Watched({(name, task.workload): candidates(task)[1] for task in tasks})
        artifact = flexpie_tvm.build(annotated, ARM, tmp_path / "a.flexpie", measured=other)
        assert other.taken == set(other)
        wait_until_free(bed)
        with (
            Cluster.connect((bed.host, bed.port), bed.key, 2) as cluster,
            cluster.deploy(artifact, deadline=120) as deployment,
        ):
            assert relative_error(deployment.run(image)[0], expected) < 1e-5
