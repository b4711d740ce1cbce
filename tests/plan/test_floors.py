# SPDX-License-Identifier: Apache-2.0
"""Lower bounds of layers where every kind of board has its own model: never above any plan."""

import random
from dataclasses import replace

import pytest
from oracle import cheapest
from plan_graphs import chain
from test_dpp import random_case

from flexpie_tvm.cost import Analytic, PerKind, Table
from flexpie_tvm.plan import ClusterSpec, Planner
from flexpie_tvm.plan.search.bounds import find_floors
from flexpie_tvm.plan.search.dpp import search
from flexpie_tvm.plan.search.ledger import Ledger
from flexpie_tvm.plan.search.space import SearchSpace

ROUNDING = 1 + 1e-9


def random_models(rng):
    """Some boards may wait for arithmetic, others for memory."""
    one, other = (
        Analytic(rng.choice([0.001, 0.01, 1]), rng.choice([1e5, 1e7, 1e9]), 1e-6) for _ in range(2)
    )
    return PerKind({"one": one}, other)


@pytest.mark.parametrize("part", range(4))
def test_floors_of_kinds_lose_nothing(part):
    for seed in range(30000 + part, 30160, 4):
        graph, cluster, candidates, shares, _ = random_case(seed)
        rng = random.Random(seed)
        kinds = tuple(rng.choice(["one", "other"]) for _ in range(cluster.boards))
        cluster, cost = replace(cluster, kinds=kinds), random_models(rng)
        best, _ = cheapest(graph, cluster, candidates, cost, shares=shares)
        floors = find_floors(graph, cluster, cost).layers(graph)
        assert 0 < sum(floors) <= best * ROUNDING, f"seed {seed}"
        space = SearchSpace(candidates, limit=best, shares=shares)
        found = search(Ledger(graph, cluster, cost), space, floors)
        assert found.cost == pytest.approx(best, rel=1e-9), f"seed {seed}"


def test_floors_with_learned_kinds_are_below_every_plan(learned):
    for seed in range(31000, 31020):
        graph, cluster, candidates, shares, _ = random_case(seed)
        kinds = tuple("ab"[k % 2] for k in range(cluster.boards))
        cluster, cost = replace(cluster, kinds=kinds), PerKind({"a": Analytic(0.01)}, learned)
        best, _ = cheapest(graph, cluster, candidates, cost, shares=shares)
        assert sum(find_floors(graph, cluster, cost).layers(graph)) <= best * ROUNDING


def test_equal_kinds_have_the_floor_of_one():
    graph, cluster, cost = chain(3), ClusterSpec(4, kinds=("a", "b", "a", "a")), Analytic()
    plain = find_floors(graph, ClusterSpec(4), Analytic(overhead=0))
    mixed = find_floors(graph, cluster, PerKind({"a": Analytic(overhead=0)}, Analytic(overhead=0)))
    assert mixed.compute == pytest.approx(plain.compute)
    assert mixed.host == plain.host
    unknown = Table(cost.compute, cost.exchange)
    assert not any(find_floors(graph, cluster, PerKind({"a": cost}, unknown)).compute)


def test_a_mixed_cluster_reports_a_small_gap():
    """Boards that differ by their models alone: without floors the beam knows no bound."""
    cost = PerKind({"slow": Analytic(10.0)}, Analytic(30.0))
    cluster = ClusterSpec(3, kinds=("slow", "fast", "fast"))
    found = Planner(chain(4, 32, 56), cluster, cost).best()
    assert found.exact
