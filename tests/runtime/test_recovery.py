# SPDX-License-Identifier: Apache-2.0
"""Requests are answered while one board lives, and boards that come back are used again."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import time

import numpy as np
import pytest

import flexpie_tvm
from flexpie_tvm.errors import ArtifactError, BoardError, InputError, LinkLost
from flexpie_tvm.runtime import (
    Cluster,
    Deployment,
    load_artifact,
    relative_error,
    run_whole,
)
from flexpie_tvm.testing.faults import (
    PATIENCE,
    Fault,
    board_services,
    server_of,
    signal_group,
    strike_server,
    try_fault,
    wait_for,
)

DEADLINE = 2.0


@pytest.fixture(scope="module")
def services(boards):
    key = f"recovery-{os.getpid()}"
    with board_services(boards, key, 3, 22100) as processes:
        yield boards, key, processes


def test_an_artifact_keeps_what_was_built_ahead(ready):
    again = load_artifact(ready.path)
    (folder,) = again.fallbacks
    assert folder.name == "0-1"  # the boards are equal
    assert (load_artifact(folder).boards, load_artifact(folder).scheme) == (2, "InH")


@pytest.mark.parametrize("file", ["board1.so", "artifact.json"])
def test_damage_of_what_was_built_ahead_is_found(file, ready, tmp_path):
    copy = tmp_path / "copy.flexpie"
    shutil.copytree(ready.path, copy)
    damaged = copy / "fallbacks" / "0-1" / file
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtifactError, match=file):
        load_artifact(copy)
    damaged.unlink()
    with pytest.raises(ArtifactError, match=f"lacks fallbacks/0-1/{file}"):
        load_artifact(copy)


def test_what_was_built_ahead_must_be_listed(ready, tmp_path):
    copy = tmp_path / "copy.flexpie"
    shutil.copytree(ready.path, copy)
    (copy / "fallbacks" / "0").mkdir()
    (copy / "fallbacks" / "0" / "artifact.json").write_text(json.dumps({}))
    with pytest.raises(ArtifactError, match="does not list"):
        load_artifact(copy)


@pytest.mark.parametrize("fallbacks", [-1, 2, 9])
def test_one_board_must_be_left(fallbacks, small_module, target, tmp_path):
    mod = flexpie_tvm.FlexPiePartition(2, "InH")(small_module)
    with pytest.raises(InputError, match="one must be left"):
        flexpie_tvm.build(mod, target, tmp_path / "a.flexpie", fallbacks=fallbacks)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("kill session", "deploy", 0, 0, 0),
        Fault("kill server", "deploy", 1, 0.05, 0),
        Fault("freeze", "deploy", 2, 0.02, 0),
        Fault("kill session", "run", 0, 0.01, 0),
        Fault("kill server", "idle", 2, 0, 0),
        Fault("freeze", "run", 1, 0.01, 0),
        Fault("freeze and thaw", "run", 2, 0.01, 1.5 * DEADLINE),
    ],
    ids=lambda fault: f"{fault.kind}, {fault.moment}",
)
def test_the_answer_is_right_whatever_happened(fault, services, ready, small_inputs, small_answer):
    boards, key, processes = services
    outcome = try_fault(
        fault, ready, small_inputs, [small_answer], boards, key, processes, DEADLINE, "replan"
    )
    assert (outcome.error, outcome.wrong) == ("", 0)
    assert outcome.registered < PATIENCE


def test_boards_go_one_by_one_and_come_back(services, ready, small_inputs, small_answer, caplog):
    boards, key, processes = services
    caplog.set_level(logging.WARNING, "flexpie_tvm.runtime.recovery")
    wait_for(boards, key, 3)

    def check(expected: int) -> None:
        (answer,) = deployment.run(small_inputs, on_board_lost="replan")
        assert relative_error(answer, small_answer) < 1e-5
        assert deployment.artifact.boards == expected

    with (
        Cluster.connect((boards.host, boards.port), key, 3) as cluster,
        cluster.deploy(ready, DEADLINE) as deployment,
    ):
        check(3)
        both = [server_of(s.port, processes) for s in cluster.sessions[1:]]
        strike_server(Fault("kill session", "idle", 1, 0, 0), both[0])
        check(2)
        assert "compiling" not in caplog.text  # it was built ahead
        strike_server(Fault("kill session", "idle", 2, 0, 0), both[1])
        check(1)
        assert "compiling for the 1 boards" in caplog.text
        until = time.monotonic() + PATIENCE
        while deployment.artifact.boards < 3 and time.monotonic() < until:
            (answer,) = deployment.run(small_inputs, on_board_lost="replan")
            assert relative_error(answer, small_answer) < 1e-5
            time.sleep(0.05)
        check(3)
        assert len(deployment.stats()) == 3


def test_a_stream_goes_on_without_a_board_and_again_with_it(services, ready, small_module, target):
    boards, key, processes = services
    wait_for(boards, key, 3)
    rng, used, asked = np.random.default_rng(4), [], []

    def source():
        while len(used) < 10 or used[-1] < 3 or min(used) == 3:
            asked.append({"image": rng.normal(size=(1, 3, 16, 16)).astype("float32")})
            yield asked[-1]

    with (
        Cluster.connect((boards.host, boards.port), key, 3) as cluster,
        cluster.deploy(ready, DEADLINE) as deployment,
    ):
        server = server_of(cluster.sessions[1].port, processes)
        answers = []
        for answer in deployment.stream(source(), 3, on_board_lost="replan"):
            answers.append(answer[0])
            used.append(deployment.artifact.boards)
            if len(answers) == 5:
                strike_server(Fault("kill session", "idle", 1, 0, 0), server)
        checked = [0, 4, 5, 6, 7, len(answers) - 1]
        expected = [deployment.run(asked[k])[0] for k in checked]
    assert len(answers) == len(asked)
    assert {2, 3} == set(used)
    for k, right in zip(checked, expected, strict=True):
        assert relative_error(answers[k], right) < 1e-5
    first = run_whole(small_module, target, asked[5])[0]
    assert relative_error(answers[5], first) < 1e-5


def test_without_a_word_of_it_an_error_is_an_error(services, ready, small_inputs):
    boards, key, processes = services
    wait_for(boards, key, 3)
    with (
        Cluster.connect((boards.host, boards.port), key, 3) as cluster,
        cluster.deploy(ready, DEADLINE) as deployment,
    ):
        server = server_of(cluster.sessions[0].port, processes)
        strike_server(Fault("kill session", "idle", 0, 0, 0), server)
        with pytest.raises(BoardError, match="board 0 is lost"):
            deployment.run(small_inputs)
        deployment.run(small_inputs, on_board_lost="replan")  # it is not too late
        deployment.run(small_inputs)
        with pytest.raises(InputError, match="on_board_lost is 'hope'"):
            deployment.run(small_inputs, on_board_lost="hope")


def test_no_board_that_answers_at_all_is_the_hosts_link(services, ready):
    boards, key, processes = services
    wait_for(boards, key, 3)
    with Cluster.connect((boards.host, boards.port), key, 3) as cluster:
        servers = [server_of(session.port, processes) for session in cluster.sessions]
        for server in servers:
            signal_group(server, signal.SIGSTOP)
        try:
            with pytest.raises(LinkLost, match="no board answers") as caught:
                cluster.deploy(ready, DEADLINE, "replan")
            assert caught.value.peer is None
        finally:
            for server in servers:
                signal_group(server, signal.SIGCONT)
    wait_for(boards, key, 3)


def test_nothing_to_run_on_fewer_boards_is_said(services, artifacts, small_inputs):
    boards, key, processes = services
    wait_for(boards, key, 3)
    artifact = artifacts(3, "InH")  # keeps no model
    with (
        Cluster.connect((boards.host, boards.port), key, 3) as cluster,
        cluster.deploy(artifact, DEADLINE) as deployment,
    ):
        server = server_of(cluster.sessions[0].port, processes)
        strike_server(Fault("kill session", "idle", 0, 0, 0), server)
        with pytest.raises(InputError, match="build it with --fallbacks"):
            deployment.run(small_inputs, on_board_lost="replan")
    wait_for(boards, key, 3)
    with Cluster.connect((boards.host, boards.port), key, 3) as cluster:
        alone = Deployment(artifact, cluster.sessions, DEADLINE)
        with pytest.raises(InputError, match=r"Cluster\.deploy"):
            alone.run(small_inputs, on_board_lost="replan")
        alone.close()
