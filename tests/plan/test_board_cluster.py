# SPDX-License-Identifier: Apache-2.0
"""Clusters of boards that are sold."""

from __future__ import annotations

import pytest

from flexpie_tvm.errors import PlanError
from flexpie_tvm.machine import parse_boards
from flexpie_tvm.plan import cluster_of_boards


def test_equal_boards_have_one_kind_and_the_link_that_they_are_sold_with():
    cluster = cluster_of_boards(parse_boards(["pi4:3"]))
    assert cluster.boards == 3
    assert cluster.links.bandwidth == (1e9,) * 3
    assert cluster.kinds == ()
    assert all("cortex-a72" in target for target in cluster.targets)


def test_a_network_is_no_faster_than_a_board_and_a_board_no_faster_than_the_network():
    boards = parse_boards(["pi3b+", "orangepi5plus"])
    assert cluster_of_boards(boards).links.bandwidth == (0.3e9, 2.5e9)
    slow = cluster_of_boards(boards, 1e9).links
    assert slow.bandwidth == (0.3e9, 1e9)
    assert slow.host_bandwidth == 1e9


def test_boards_of_several_kinds_are_told_apart():
    cluster = cluster_of_boards(parse_boards(["pi4:2,pi5"]), topology="ring")
    assert cluster.kinds == ("pi4", "pi4", "pi5")
    assert len(set(cluster.targets)) == 2
    assert cluster.topology == "ring"


def test_no_boards_are_no_cluster():
    with pytest.raises(PlanError, match="0 boards"):
        cluster_of_boards([])
