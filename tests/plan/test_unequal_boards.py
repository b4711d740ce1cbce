# SPDX-License-Identifier: Apache-2.0
"""Boards that differ in their links or their kind: the poor one is left out, whichever it is."""

import random
from dataclasses import replace

import pytest
from oracle import cheapest
from plan_graphs import chain
from test_planner import SMALL, residual_net
from test_upstream import monotone_case

from flexpie_tvm.cost import Analytic, PerKind
from flexpie_tvm.plan import ClusterSpec, best_plan
from flexpie_tvm.plan.search.bounds import find_floors
from flexpie_tvm.plan.search.dpp import search
from flexpie_tvm.plan.search.ledger import Ledger
from flexpie_tvm.plan.search.order import orders_of, predicted_orders
from flexpie_tvm.plan.search.upstream import Upstream


def predicted(graph, cluster, cost=SMALL):
    return best_plan(graph, cluster, cost).notes["predicted_ms"]


@pytest.mark.parametrize("topology", ["mesh", "shared"])
@pytest.mark.parametrize("poor", range(4))
def test_a_board_behind_a_poor_link_makes_no_plan_slower(poor, topology):
    graph = residual_net()
    for rate in (1e7, 1e8):
        rates = tuple(rate / 1000 if k == poor else rate for k in range(4))
        with_it = ClusterSpec(4, rate, topology=topology, bandwidths=rates)
        without = ClusterSpec(3, rate, topology=topology)
        assert predicted(graph, with_it) <= predicted(graph, without) * (1 + 1e-9)


@pytest.mark.parametrize("poor", range(4))
def test_a_fast_board_behind_a_poor_link_too(poor):
    """The order by speed keeps it, the order by links does not."""
    graph, speeds = residual_net(), tuple(2.0 if k == poor else 1.0 for k in range(4))
    rates = tuple(1e4 if k == poor else 1e8 for k in range(4))
    with_it = ClusterSpec(4, 1e8, speeds=speeds, bandwidths=rates)
    assert predicted(graph, with_it) <= predicted(graph, ClusterSpec(3, 1e8)) * (1 + 1e-9)


@pytest.mark.parametrize("poor", range(4))
def test_a_board_of_a_slow_kind_makes_no_plan_slower(poor):
    graph, kinds = chain(4, 16, 60), tuple("slow" if k == poor else "fast" for k in range(4))
    cost = PerKind({"slow": Analytic(0.0005, 1e6, 1e-6)}, SMALL)
    with_it = predicted(graph, ClusterSpec(4, 1e8, kinds=kinds), cost)
    assert with_it <= predicted(graph, ClusterSpec(3, 1e8)) * (1 + 1e-9)


def test_orders():
    cluster = ClusterSpec(3, speeds=(1, 3, 3), bandwidths=(2e9, 1e8, 1e9))
    assert orders_of(cluster) == ((2, 1, 0), (0, 2, 1))
    assert orders_of(ClusterSpec(3)) == ((0, 1, 2),)
    assert orders_of(ClusterSpec(2, latencies=(0.1, 0.01))) == ((1, 0),)
    kinds = ClusterSpec(3, speeds=(9, 1, 1), kinds=("slow", "fast", "slow"))
    cost = PerKind({"slow": Analytic(0.001, 1e6)}, SMALL)
    assert predicted_orders(chain(2), kinds, cost) == ((1, 0, 2), (0, 1, 2))


@pytest.mark.parametrize("part", range(4))
def test_unequal_links_equal_brute_force_and_bounds_are_below(part):
    for seed in range(33000 + part, 33080, 4):
        graph, cluster, cost, rules = monotone_case(seed)
        rng = random.Random(seed)
        cluster = replace(
            cluster,
            bandwidths=tuple(rng.choice([1e4, 1e6, 1e8]) for _ in range(cluster.boards)),
            latencies=tuple(rng.choice([0, 1e-4, 1e-2]) for _ in range(cluster.boards)),
        )
        best, _ = cheapest(graph, cluster, rules.candidates, cost, shares=rules.shares)
        floors, ledger = find_floors(graph, cluster, cost), Ledger(graph, cluster, cost)
        assert search(ledger, rules).cost == pytest.approx(best, rel=1e-9), f"seed {seed}"
        upstream = Upstream(ledger, rules, floors, 1)
        assert upstream.least <= best * (1 + 1e-9), f"seed {seed}"
        found = search(ledger, replace(rules, limit=best), floors.layers(graph), upstream)
        assert found.cost == pytest.approx(best, rel=1e-9), f"seed {seed}"
