# SPDX-License-Identifier: Apache-2.0
"""What is left of a cluster when boards are lost."""

from __future__ import annotations

from itertools import combinations

import pytest

from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.plan.model.losses import distinct_losses, likeness, remaining, stand_ins


def test_boards_that_are_left_keep_what_is_theirs():
    cluster = ClusterSpec(
        3, speeds=(1.0, 2.0, 3.0), memory=(10, 20, 30), bandwidths=(1e6, 2e6, 3e6),
        topology="ring", host_bandwidth=5e6,
    )  # fmt: skip
    left = remaining(cluster, (0, 2))
    assert (left.boards, left.speeds, left.memory) == (2, (1.0, 3.0), (10, 30))
    assert (left.bandwidths, left.topology, left.host_bandwidth) == ((1e6, 3e6), "ring", 5e6)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_equal_boards_need_one_plan_however_they_are_lost(lost):
    (kept,) = distinct_losses(ClusterSpec(4), ["llvm"] * 4, lost)
    alike = likeness(ClusterSpec(4), ["llvm"] * 4)
    for left in combinations(range(4), 4 - lost):
        assert stand_ins(alike, kept, left) == list(left)


def test_unequal_boards_need_a_plan_for_each_way_to_lose_them():
    cluster, targets = ClusterSpec(3, speeds=(1.0, 2.0, 1.0)), ["llvm"] * 3
    losses = distinct_losses(cluster, targets, 1)
    assert losses == [(0, 1), (0, 2)]
    alike = likeness(cluster, targets)
    assert stand_ins(alike, (0, 1), (1, 2)) == [2, 1]  # the fast board stays the second
    assert stand_ins(alike, (0, 2), (1, 2)) is None
    assert stand_ins(alike, (0, 1), (1,)) is None


def test_boards_of_two_targets_are_not_alike():
    assert distinct_losses(ClusterSpec(2), ["llvm", "llvm -mcpu=x"], 1) == [(0,), (1,)]
