# SPDX-License-Identifier: Apache-2.0
"""Boards and links at the speeds that they have come to."""

from __future__ import annotations

import pytest

from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.plan.model.drifted import drifted


def test_what_takes_longer_is_slower_by_as_much():
    cluster = ClusterSpec(3, bandwidth=1e9, speeds=(1.0, 2.0, 1.0))
    found = drifted(cluster, {1: 4.0}, {2: 2.0})
    assert found.speeds == (1.0, 0.5, 1.0)
    assert found.bandwidths == (1e9, 1e9, 5e8)
    assert drifted(cluster, {}, {}) == cluster


def test_own_links_keep_what_was_said_of_them():
    cluster = ClusterSpec(2, bandwidths=(1e9, 1e8), topology="ring", host_bandwidth=1e7)
    found = drifted(cluster, {}, {0: 4.0})
    assert found.bandwidths == (2.5e8, 1e8)
    assert (found.host_bandwidth, found.speeds) == (1e7, ())


def test_one_medium_is_as_slow_as_its_slowest_user():
    found = drifted(ClusterSpec(3, bandwidth=3e8, topology="shared"), {}, {0: 1.5, 2: 3.0})
    assert (found.bandwidth, found.bandwidths) == (1e8, ())


def test_a_factor_is_above_0():
    with pytest.raises(PlanError):
        drifted(ClusterSpec(2), {0: -1.0}, {})
