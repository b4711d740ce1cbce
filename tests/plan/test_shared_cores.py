# SPDX-License-Identifier: Apache-2.0
"""Boards that are processes of one machine: no more of them compute at once than it has cores."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from oracle import cheapest
from plan_graphs import Builder, chain
from test_dpp import random_case

from flexpie_tvm.cost.table import Table
from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import ClusterSpec, best_plan, uniform_plan
from flexpie_tvm.plan.predict.evaluate import evaluate, taking_part
from flexpie_tvm.plan.predict.simulate import simulate
from flexpie_tvm.plan.search.dpp import search
from flexpie_tvm.plan.search.ledger import Ledger
from flexpie_tvm.plan.search.space import SearchSpace
from flexpie_tvm.runtime.local import as_local

FLOPS = Table(lambda t: t.flops * 1e-6, lambda t: 0.0, monotone=True)
#: The same with a little for every board that is called.
CALLS = Table(lambda t: t.flops * 1e-6, lambda t: 0.0, monotone=True, call=1e-3)


def network():
    """Two pointwise convolutions, which no cut makes more of."""
    b = Builder()
    x = b.input(1, 8, 16, 16)
    for _ in range(2):
        x = b.conv(x, 8, kernel=1)
    return b.graph(x)


def test_four_boards_on_two_cores_compute_as_long_as_two_on_two():
    graph = network()
    latency = {}
    for boards, cores in ((1, 0), (2, 0), (4, 0), (4, 2), (4, 1), (4, 4), (2, 2)):
        plan = uniform_plan(graph, ClusterSpec(boards, at_once=cores), "InH")
        latency[boards, cores] = evaluate(graph, plan, FLOPS).latency
        assert simulate(graph, plan, FLOPS).latency == pytest.approx(latency[boards, cores])
    assert latency[4, 0] == pytest.approx(latency[1, 0] / 4)
    assert latency[4, 2] == latency[2, 0] == latency[2, 2] == pytest.approx(latency[1, 0] / 2)
    assert latency[4, 1] == pytest.approx(latency[1, 0])
    assert latency[4, 4] == latency[4, 0]


def test_a_plan_takes_no_more_boards_than_cores():
    graph = network()
    for cores, boards in ((0, 4), (2, 2), (1, 1)):
        plan = best_plan(graph, ClusterSpec(4, at_once=cores), CALLS)
        assert len(taking_part(plan.geometry(graph))) == boards


def test_boards_that_wait_leave_their_core_to_others():
    cluster = ClusterSpec(4, at_once=2)
    assert cluster.taking_turns(np.array([4.0, 1, 1, 1])).tolist() == [4, 1, 1, 1]
    assert cluster.taking_turns(np.array([2.0, 2, 2, 0])).tolist() == [3, 3, 3, 0]
    assert not cluster.taking_turns(np.zeros(4)).any()


def test_searches_lose_nothing():
    for seed in range(32000, 32040):
        graph, cluster, candidates, shares, cost = random_case(seed)
        cluster = replace(cluster, at_once=1 + seed % 2)
        best, _ = cheapest(graph, cluster, candidates, cost, shares=shares)
        found = search(Ledger(graph, cluster, cost), SearchSpace(candidates, shares=shares))
        assert found.cost == pytest.approx(best, rel=1e-9), f"seed {seed}"


def test_local_boards_share_the_cores_of_this_process():
    cores = len(os.sched_getaffinity(0))
    assert as_local(ClusterSpec(cores)).at_once == 0
    assert as_local(ClusterSpec(cores + 1)).at_once == cores
    assert as_local(ClusterSpec(2), threads=2 * cores).at_once == 1


def test_a_plan_file_keeps_it_and_a_loss_too():
    cluster = ClusterSpec(4, at_once=2)
    assert ClusterSpec.from_json(cluster.to_json()) == cluster
    assert "at_once" not in ClusterSpec(4).to_json()
    assert uniform_plan(chain(2), cluster, "InH").cluster.at_once == 2
    with pytest.raises(PlanError, match="at once"):
        ClusterSpec(4, at_once=-1)
