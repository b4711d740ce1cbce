# SPDX-License-Identifier: Apache-2.0
"""Links that are cut under a deployment, told apart from boards that are slow or gone."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress

import pytest

import flexpie_tvm
from flexpie_tvm.errors import (
    BoardError,
    BoardLost,
    BoardTimeout,
    ClusterError,
    InputError,
    LinkLost,
)
from flexpie_tvm.lab.testbed import TestbedOptions, load, testbed
from flexpie_tvm.lab.testbed.cuts import HOST, cable_cut, link_cut
from flexpie_tvm.lab.testbed.network import BoardNetwork
from flexpie_tvm.lab.testbed.servers import processes
from flexpie_tvm.runtime import Cluster, relative_error
from flexpie_tvm.testing.faults import PATIENCE, board_services, wait_for

from .conftest import needs_root

pytestmark = needs_root
DEADLINE, KEY = 2.0, "cut"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """State of these tests' testbeds only."""
    return tmp_path_factory.mktemp("cuts")


@pytest.fixture(scope="module")
def up(folder):
    """A testbed whose boards come back whatever happens to their sessions."""
    with testbed(TestbedOptions(3), "cuts", folder) as made:
        network = load(folder, made.name).network
        with board_services(made, KEY, 3, 22100, network):
            yield made, network


@pytest.fixture
def network(up) -> BoardNetwork:
    """The testbed's, with all its boards free."""
    wait_for(up[0], KEY, 3)
    return up[1]


@pytest.fixture
def cluster(up, network):
    with Cluster.connect((up[0].host, up[0].port), KEY, 3) as taken:
        yield taken


@pytest.fixture
def deployment(cluster, artifacts, small_inputs, small_answer):
    """Three boards that have just answered."""
    with cluster.deploy(artifacts(3, "InH"), DEADLINE) as deployed:
        assert relative_error(deployed.run(small_inputs)[0], small_answer) < 1e-5
        yield deployed


@pytest.mark.parametrize("link", [(0, 1), (1, 2)])
def test_a_link_that_is_cut_is_named_by_both_its_boards(
    link, network, deployment, small_inputs, small_answer
):
    with link_cut(network, *link):
        with pytest.raises(LinkLost) as caught:
            deployment.run(small_inputs)
        assert {caught.value.board, caught.value.peer} == set(link)
        assert "do not reach each other, and the host reaches both" in str(caught.value)


def test_a_link_that_is_cut_before_boards_are_linked(network, cluster, artifacts):
    with link_cut(network, 0, 1), pytest.raises(LinkLost) as caught:
        cluster.deploy(artifacts(3, "InH"), DEADLINE)
    assert {caught.value.board, caught.value.peer} == {0, 1}


@pytest.mark.parametrize("end", [0, 1])
def test_a_board_without_its_cable_is_lost(end, network, deployment, small_inputs):
    with cable_cut(network, end):
        with pytest.raises(BoardLost, match=f"board {end} ") as caught:
            deployment.run(small_inputs)
        assert caught.value.board == end


@pytest.mark.parametrize("on_board_lost", ["raise", "replan"])
def test_a_host_without_its_cable_blames_no_board(on_board_lost, network, deployment, small_inputs):
    with cable_cut(network, HOST), pytest.raises(LinkLost, match="none of its 3 boards") as caught:
        deployment.run(small_inputs, on_board_lost)
    assert caught.value.peer is None


def test_a_host_without_its_cable_as_it_deploys_blames_no_board(network, cluster, ready):
    with cable_cut(network, HOST), pytest.raises(LinkLost, match="no board answers") as caught:
        cluster.deploy(ready, DEADLINE, "replan")
    assert caught.value.peer is None


def test_a_host_whose_cable_is_back_gets_its_boards_back(
    network, cluster, ready, small_inputs, small_answer
):
    with cluster.deploy(ready, DEADLINE) as deployment:
        with cable_cut(network, HOST), pytest.raises(LinkLost):
            deployment.run(small_inputs, "replan")
        until, answer = time.monotonic() + PATIENCE, None
        while answer is None and time.monotonic() < until:
            with suppress(ClusterError, BoardError):  # no board has come back
                (answer,) = deployment.run(small_inputs, "replan")
            time.sleep(0.05)
        assert answer is not None
    assert relative_error(answer, small_answer) < 1e-5


def test_a_board_that_is_frozen_is_no_link_that_is_cut(network, deployment, small_inputs):
    with frozen(network, 1), pytest.raises((BoardLost, BoardTimeout), match="board 1 ") as caught:
        deployment.run(small_inputs)
    assert 1 in (caught.value.board, caught.value.peer)


def test_a_cut_that_is_mended_in_time_costs_time_only(
    network, deployment, small_inputs, small_answer
):
    with link_cut(network, 0, 1):
        pass
    assert relative_error(deployment.run(small_inputs)[0], small_answer) < 1e-5


def test_a_request_is_repeated_on_one_side_of_a_cut(
    network, cluster, small_module, small_inputs, small_answer, target, tmp_path
):
    """Boards 0 and 1 cannot work together: one of them is given up."""
    mod = flexpie_tvm.FlexPiePreOptimize(target)(small_module)
    mod = flexpie_tvm.FlexPiePartition(3, "InH")(mod)
    artifact = flexpie_tvm.build(mod, target, tmp_path / "cut.flexpie", fallbacks=1)
    with cluster.deploy(artifact, DEADLINE) as deployment, link_cut(network, 0, 1):
        (answer,) = deployment.run(small_inputs, on_board_lost="replan")
        assert deployment.artifact.boards == 2
    assert relative_error(answer, small_answer) < 1e-5


def test_only_a_mesh_has_links_to_cut(network):
    ring = BoardNetwork(network.id, network.subnet, TestbedOptions(3, topology="ring"))
    with pytest.raises(InputError, match="mesh"), link_cut(ring, 0, 1):
        pass


@contextmanager
def frozen(network: BoardNetwork, rank: int):
    """A board's processes stand still while it lasts."""
    stopped = processes(network.board(rank))
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)
