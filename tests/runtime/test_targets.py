# SPDX-License-Identifier: Apache-2.0
"""One target per board: a layout that all share, code per target, the right board per rank."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress

import pytest

import flexpie_tvm
from flexpie_tvm.errors import BoardLost, ClusterError, InputError
from flexpie_tvm.passes.blocking import common_lanes
from flexpie_tvm.relay.targets import targets_of
from flexpie_tvm.runtime import Cluster, local_boards, relative_error
from flexpie_tvm.runtime.cluster import matched

NARROW = "llvm -mcpu=nehalem"  # 4 lanes; runs on every x86-64 of this decade
UNKNOWN = "llvm -keys=arm_cpu,cpu"  # schedules of ARM, code of this machine
ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
AARCH64, X86_64 = 183, 62  # ELF machine numbers


def built(module, targets, boards, path):
    mod = flexpie_tvm.FlexPiePreOptimize(targets)(module)
    return flexpie_tvm.build(flexpie_tvm.FlexPiePartition(boards, "InH")(mod), targets, path)


def machine(library) -> int:
    return int.from_bytes(library.read_bytes()[18:20], "little")


def test_the_narrowest_vectors_decide_and_unknown_ones_ask_for_nchw(target):
    wide = targets_of(target)
    assert common_lanes(wide) >= 4
    assert common_lanes([*wide, *targets_of(NARROW)]) == 4
    assert common_lanes([*wide, *targets_of(ARM)]) == 4
    assert common_lanes([*wide, *targets_of(UNKNOWN)]) is None


def test_one_target_is_for_all_and_several_are_one_each():
    assert [str(t) for t in targets_of(NARROW, 3)] == [str(targets_of(NARROW)[0])] * 3
    assert len(targets_of([NARROW, ARM], 2)) == 2
    for wrong in ([], [NARROW] * 3):
        with pytest.raises(InputError, match="one for all or one each"):
            targets_of(wrong, 2)


@pytest.mark.parametrize(
    "other", [NARROW, UNKNOWN], ids=["narrower vectors", "schedules of ARM"]
)
def test_boards_of_different_targets_give_one_board_s_answers(
    other, target, boards, small_module, small_inputs, small_answer, tmp_path
):
    artifact = built(small_module, [target, other, target], 3, tmp_path / "mixed.flexpie")
    assert artifact.targets[0] == artifact.targets[2] != artifact.targets[1]
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 3) as cluster,
        cluster.deploy(flexpie_tvm.load_artifact(artifact.path)) as deployment,
    ):
        (answer,) = deployment.run(small_inputs)
    assert relative_error(answer, small_answer) < 1e-5


def test_code_is_for_each_board_s_architecture_and_is_not_sent_to_another(
    target, boards, small_module, tmp_path
):
    assert shutil.which("aarch64-linux-gnu-g++"), "make test installs the cross compiler"
    artifact = built(small_module, [ARM, target], 2, tmp_path / "mixed.flexpie")
    assert [machine(artifact.library(rank)) for rank in range(2)] == [AARCH64, X86_64]
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 2) as cluster,
        pytest.raises(ClusterError, match="no aarch64 board is left for rank 0"),
    ):
        cluster.deploy(artifact)


def test_every_rank_gets_the_first_board_of_its_architecture_that_is_left():
    have = ["x86_64", "aarch64", None, "aarch64"]
    assert matched(["aarch64", "x86_64"], have) == [1, 0]
    assert matched(["aarch64", "aarch64"], have) == [1, 3]
    with pytest.raises(ClusterError, match="no x86_64 board is left for rank 1"):
        matched(["x86_64", "x86_64"], have)


@pytest.mark.parametrize("struck", [signal.SIGKILL, signal.SIGSTOP])
def test_a_board_that_went_away_is_named_when_it_is_asked(struck, target, small_module, tmp_path):
    """Also a frozen one: it is given the deadline, and time for the runtime to get there."""
    artifact = built(small_module, target, 1, tmp_path / "one.flexpie")
    with local_boards(1) as own, Cluster.connect((own.host, own.port), own.key, 1) as cluster:
        os.killpg(own.pids[0], struck)
        lost = r"board 0 \(127\.0\.0\.1:\d+\) does not answer"
        with pytest.raises(BoardLost, match=lost) as caught:
            cluster.deploy(artifact, deadline=1.0)
        assert caught.value.board == 0
        with suppress(ProcessLookupError):
            os.killpg(own.pids[0], signal.SIGCONT)
