# SPDX-License-Identifier: Apache-2.0
"""Deployments on real RPC servers: answers, bad input, boards that go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tvm

from flexpie_tvm.errors import (
    ArtifactError,
    BoardError,
    BoardLost,
    BoardTimeout,
    ClusterError,
    InputError,
)
from flexpie_tvm.runtime import Cluster, SingleBoard, build_single, local_boards, relative_error

from .processes import board_process, stopped


def connect(boards, count: int) -> Cluster:
    return Cluster.connect((boards.host, boards.port), boards.key, count)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("scheme", ["InH", "InW", "OutC", "InC", "2D-grid", "Single"])
def test_answers_equal_one_board(count, scheme, boards, artifacts, small_inputs, small_answer):
    with connect(boards, count) as cluster, cluster.deploy(artifacts(count, scheme)) as deployment:
        for _ in range(3):
            (answer,) = deployment.run(small_inputs)
            assert relative_error(answer, small_answer) < 1e-5


def test_every_frame_has_its_own_answer(boards, artifacts, small_inputs):
    rng = np.random.default_rng(9)
    with connect(boards, 2) as cluster, cluster.deploy(artifacts(2, "InH")) as deployment:
        (first,) = deployment.run(small_inputs)
        other = {"image": rng.normal(size=small_inputs["image"].shape).astype("float32")}
        (second,) = deployment.run(other)
        (again,) = deployment.run(small_inputs)
    assert relative_error(second, first) > 1e-2
    np.testing.assert_array_equal(again, first)


def test_boards_can_be_deployed_again_and_again(boards, artifacts, small_inputs, small_answer):
    with connect(boards, 4) as cluster:
        for scheme in ("InH", "OutC", "InH", "2D-grid"):
            with cluster.deploy(artifacts(4, scheme)) as deployment:
                (answer,) = deployment.run(small_inputs)
            assert relative_error(answer, small_answer) < 1e-5


def test_counters_agree_with_the_plan(boards, artifacts, small_inputs):
    artifact = artifacts(4, "InH")
    with connect(boards, 4) as cluster, cluster.deploy(artifact) as deployment:
        deployment.run(small_inputs)
        deployment.reset_stats()
        deployment.run(small_inputs)
        stats = deployment.stats()
    sent = sum(e["bytes_sent"] for board in stats for e in board["exchanges"])
    received = sum(e["bytes_received"] for board in stats for e in board["exchanges"])
    assert sent == received == artifact.bytes_exchanged > 0


def test_one_board_whole_is_what_it_is_held_against(
    boards, small_module, small_inputs, small_answer, target, tmp_path
):
    library = build_single(small_module, target, tmp_path / "whole.so")
    for named in (target, tvm.target.Target(target)):
        with (
            connect(boards, 1) as cluster,
            SingleBoard(cluster.sessions[0], library, named) as single,
        ):
            np.testing.assert_array_equal(single.run(small_inputs)[0], small_answer)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "input 'image' is missing"),
        ({"image": np.zeros((1, 3, 8, 8), "float32")}, "the model takes float32"),
        ({"image": np.zeros((1, 3, 16, 16), "float64")}, "the model takes float32"),
        (
            {"image": np.zeros((1, 3, 16, 16), "float32"), "mask": np.zeros(1)},
            "input 'mask' is unknown",
        ),
    ],
)
def test_bad_inputs_are_named_and_the_deployment_goes_on(
    inputs, words, boards, artifacts, small_inputs
):
    with connect(boards, 2) as cluster, cluster.deploy(artifacts(2, "InH")) as deployment:
        with pytest.raises(InputError, match=words):
            deployment.run(inputs)
        assert deployment.run(small_inputs)[0].shape == (1, 32, 8, 8)


def test_too_few_boards(boards):
    with pytest.raises(ClusterError, match=r"4 free boards .* 5 are asked for"):
        Cluster.connect((boards.host, boards.port), boards.key, 5)


def test_no_tracker():
    with pytest.raises(ClusterError, match=r"tracker 127\.0\.0\.1:1 cannot be reached"):
        Cluster.connect("127.0.0.1:1", "key", 1)


@pytest.mark.parametrize("text", ["localhost", "host:", ":9190", "host:port"])
def test_trackers_are_host_and_port(text):
    with pytest.raises(ClusterError, match="is not HOST:PORT"):
        Cluster.connect(text, "key", 1)


def test_artifact_for_more_boards(boards, artifacts):
    with connect(boards, 2) as cluster, pytest.raises(ClusterError, match="needs 3 boards"):
        cluster.deploy(artifacts(3, "InH"))


def test_artifacts_of_another_rank_count_are_refused(boards, artifacts):
    from flexpie_tvm.runtime import Deployment

    with connect(boards, 3) as cluster, pytest.raises(ArtifactError, match="for 2 boards, not 3"):
        Deployment(artifacts(2, "InH"), cluster.sessions)


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_killed_board_is_named(victim, artifacts, small_inputs):
    with local_boards(3) as own, connect(own, 3) as cluster:
        deployment = cluster.deploy(artifacts(3, "InH"), deadline=5)
        deployment.run(small_inputs)
        _kill_board(cluster, victim)
        with pytest.raises(BoardLost) as caught:
            deployment.run(small_inputs)
        assert victim in (caught.value.board, caught.value.peer)
        assert f"board {victim}" in str(caught.value)
        deployment.close()


def test_a_board_that_hangs_is_named_within_its_deadline(artifacts, small_inputs):
    with local_boards(2) as own, connect(own, 2) as cluster:
        deployment = cluster.deploy(artifacts(2, "InH"), deadline=2)
        deployment.run(small_inputs)
        with stopped(board_process(cluster, 1)), pytest.raises((BoardTimeout, BoardLost)) as caught:
            deployment.run(small_inputs)
        assert 1 in (caught.value.board, caught.value.peer)
        assert "board 1" in str(caught.value)
        deployment.close()


def test_a_board_that_hangs_and_that_nobody_waits_for_is_named(artifacts, small_inputs):
    with local_boards(4) as own, connect(own, 4) as cluster:
        deployment = cluster.deploy(artifacts(4, "Single"), deadline=1)
        deployment.run(small_inputs)
        silence = pytest.raises(BoardLost, match="board 0 is lost: no answer")
        with stopped(board_process(cluster, 0)), silence as caught:
            deployment.run(small_inputs)
        assert caught.value.board == 0
        deployment.close()


def test_boards_without_work_are_not_waited_for(boards, artifacts, small_inputs, small_answer):
    """Each run would wait for a thread of theirs, which somebody else's call holds here."""
    with connect(boards, 3) as cluster, cluster.deploy(artifacts(3, "Single")) as deployment:
        with cluster.sessions[1].in_use, cluster.sessions[2].in_use:
            (answer,) = deployment.run(small_inputs)
            deployment.run_in_place()
        assert relative_error(answer, small_answer) < 1e-5
        assert [board["frames"] for board in deployment.stats()] == [2, 0, 0]
        assert {event.board for event in deployment.timeline().events} == {0}


def test_a_failed_deployment_stays_failed_with_a_clear_error(artifacts, small_inputs):
    with local_boards(2) as own, connect(own, 2) as cluster:
        deployment = cluster.deploy(artifacts(2, "InH"), deadline=5)
        _kill_board(cluster, 1)
        for _ in range(2):
            with pytest.raises(BoardError):
                deployment.run(small_inputs)
        deployment.close()


def test_local_boards_end_with_their_context():
    with local_boards(2) as own:
        pids = own.pids
        assert all(_alive(pid) for pid in pids)
    assert not any(_alive(pid) for pid in pids)
    _wait_until_gone(own.key)


def test_local_boards_end_when_their_host_is_killed():
    script = (
        "from flexpie_tvm.runtime import local_boards\n"
        "with local_boards(1) as own:\n"
        "    print(own.key, flush=True)\n"
        "    input()\n"
    )
    host = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        key = host.stdout.readline().strip()
        assert key
        assert _servers(key)
    finally:
        host.kill()
        host.wait()
        host.stdin.close()
        host.stdout.close()
    _wait_until_gone(key)


def _wait_until_gone(key: str) -> None:
    """Servers whose group was killed end soon, but not at once on a busy machine."""
    until = time.monotonic() + 20
    while _servers(key) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _servers(key)


def _kill_board(cluster: Cluster, rank: int) -> None:
    os.kill(board_process(cluster, rank), signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _servers(key: str) -> list[str]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as stream:
                    if key.encode() in stream.read():
                        found.append(entry)
            except OSError:
                continue
    return found
