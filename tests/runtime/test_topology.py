# SPDX-License-Identifier: Apache-2.0
"""Deployments whose boards pass messages on: same answers, counted bytes, the dead relay named."""

from __future__ import annotations

import os
import signal

import pytest

import flexpie_tvm
from flexpie_tvm.errors import BoardLost
from flexpie_tvm.plan import Choice, ClusterSpec, Plan, Split, uniform_plan
from flexpie_tvm.relay import import_module
from flexpie_tvm.runtime import Cluster, local_boards, relative_error

from .processes import board_process


def connect(boards, count: int) -> Cluster:
    return Cluster.connect((boards.host, boards.port), boards.key, count)


def total(stats: list[dict], name: str) -> int:
    return sum(e[name] for board in stats for e in board["exchanges"])


@pytest.mark.parametrize(
    ("scheme", "topology"), [("OutC", "ring"), ("InC", "ring"), ("OutC", "ps")]
)
def test_answers_equal_one_board(scheme, topology, boards, artifacts, small_inputs, small_answer):
    artifact = artifacts(4, scheme, topology)
    assert flexpie_tvm.load_artifact(artifact.path).topology == topology
    with connect(boards, 4) as cluster, cluster.deploy(artifact) as deployment:
        for _ in range(2):
            deployment.reset_stats()
            (answer,) = deployment.run(small_inputs)
            assert relative_error(answer, small_answer) < 1e-5
        stats = deployment.stats()
    assert total(stats, "bytes_sent") == total(stats, "bytes_received") == artifact.bytes_exchanged
    assert total(stats, "bytes_forwarded") == artifact.bytes_forwarded
    assert artifact.bytes_forwarded > 0


@pytest.fixture(scope="module")
def hopping(small_module, target, tmp_path_factory):
    """Every layer on one board of a ring of four, the next always two ranks on."""
    mod = flexpie_tvm.FlexPiePreOptimize(target)(small_module)
    cluster = ClusterSpec(4, topology="ring")
    graph = import_module(mod).graph
    choices = {
        name: Choice("T", "Single", Split((), (), (2 * (number % 2),)))
        for number, name in enumerate(uniform_plan(graph, cluster, "Single").choices)
    }
    mod = flexpie_tvm.FlexPiePartition(plan=Plan(cluster, choices, "Single"))(mod)
    path = tmp_path_factory.mktemp("hopping") / "hopping.flexpie"
    return flexpie_tvm.build(mod, target, path)


def test_boards_that_compute_nothing_pass_on(hopping, boards, small_inputs, small_answer):
    with connect(boards, 4) as cluster, cluster.deploy(hopping) as deployment:
        (answer,) = deployment.run(small_inputs)
        stats = deployment.stats()
    assert relative_error(answer, small_answer) < 1e-5
    forwarded = [total([board], "bytes_forwarded") for board in stats]
    assert forwarded[0] == forwarded[2] == 0
    assert forwarded[1] > 0
    assert forwarded[3] > 0
    assert total(stats, "bytes_forwarded") == total(stats, "bytes_sent")


def test_a_killed_relay_is_named(hopping, small_inputs):
    with local_boards(4) as own, connect(own, 4) as cluster:
        deployment = cluster.deploy(hopping, deadline=5)
        deployment.run(small_inputs)
        os.kill(board_process(cluster, 1), signal.SIGKILL)
        with pytest.raises(BoardLost) as caught:
            deployment.run(small_inputs)
        assert 1 in (caught.value.board, caught.value.peer)
        assert "board 1" in str(caught.value)
        deployment.close()
