# SPDX-License-Identifier: Apache-2.0
"""DPP finds the cheapest of all plans, whatever the graph, the boards and the costs."""

import random

import pytest
from oracle import cheapest, lawful, lawless
from plan_graphs import Builder, chain, random_graph, random_reduction

from flexpie_tvm.cost import Analytic, Table
from flexpie_tvm.plan import ClusterSpec, Planner
from flexpie_tvm.plan.predict.evaluate import evaluate
from flexpie_tvm.plan.search.bounds import find_floors
from flexpie_tvm.plan.search.candidates import candidates_for, shares_for
from flexpie_tvm.plan.search.dpp import search
from flexpie_tvm.plan.search.ledger import Ledger
from flexpie_tvm.plan.search.objective import Objective
from flexpie_tvm.plan.search.space import SearchSpace

GRAPHS, PARTS = 1000, 10


def random_case(seed):
    rng = random.Random(seed)
    graph = random_graph(rng) if seed % 2 else random_reduction(rng)
    boards = rng.choice([2, 3, 4])
    speeds = () if rng.random() < 0.5 else tuple(rng.choice([1, 2, 3]) for _ in range(boards))
    cluster = ClusterSpec(
        boards,
        rng.choice([1e6, 1e8, 1e9]),
        topology=rng.choice(["mesh", "ring", "ps", "shared"]),
        speeds=speeds,
    )
    keep = 2 if len(graph.layers) > 3 else rng.choice([2, 3, 4])
    candidates = {
        t: tuple(rng.sample(ways, min(keep, len(ways))))
        for t, ways in candidates_for(graph, cluster).items()
    }
    shares = {
        t: tuple(rng.sample(ways, min(len(ways), 2 if len(graph.layers) < 3 else 1)))
        for t, ways in shares_for(graph, cluster, every=True).items()
    }
    cost = rng.choice([lawless, lawful, lambda _: Analytic(gflops=0.001)])(seed)
    return graph, cluster, candidates, shares, cost


@pytest.mark.parametrize("part", range(PARTS))
def test_equals_brute_force(part):
    for seed in range(part, GRAPHS, PARTS):
        graph, cluster, candidates, shares, cost = random_case(seed)
        best, _ = cheapest(graph, cluster, candidates, cost, shares=shares)
        found = search(Ledger(graph, cluster, cost), SearchSpace(candidates, shares=shares))
        assert found.cost == pytest.approx(best, rel=1e-9), f"seed {seed}"
        assert found.exact


def test_floors_and_limits_lose_nothing():
    for seed in range(5000, 5060):
        graph, cluster, candidates, shares, _ = random_case(seed)
        cost = Analytic(gflops=0.01, memory_bandwidth=1e7)
        best, _ = cheapest(graph, cluster, candidates, cost, shares=shares)
        floors = find_floors(graph, cluster, cost).layers(graph)
        assert sum(floors) <= best * (1 + 1e-9), f"seed {seed}"
        space = SearchSpace(candidates, limit=best, shares=shares)
        found = search(Ledger(graph, cluster, cost), space, floors)
        assert found.cost == pytest.approx(best, rel=1e-9), f"seed {seed}"


@pytest.mark.parametrize("name", ["energy"])
def test_other_objectives_equal_brute_force(name):
    for seed in range(7000, 7040):
        graph, cluster, candidates, shares, cost = random_case(seed)
        best, _ = cheapest(graph, cluster, candidates, cost, name, shares)
        space = SearchSpace(candidates, objective=Objective(name, cluster.bandwidth), shares=shares)
        found = search(Ledger(graph, cluster, cost), space)
        assert found.cost == pytest.approx(best, rel=1e-9), f"seed {seed}"


def test_found_plan_costs_what_the_search_says():
    for seed in range(9000, 9030):
        graph, cluster, _, _, cost = random_case(seed)
        planner = Planner(graph, cluster, cost)
        found = planner.best()
        plan = planner.plan(found, "auto")
        assert evaluate(graph, plan, cost).latency == pytest.approx(found.cost, rel=1e-9)


def test_beam_reports_a_bound_below_the_best_plan():
    for seed in range(11000, 11030):
        graph, cluster, candidates, shares, cost = random_case(seed)
        best, _ = cheapest(graph, cluster, candidates, cost, shares=shares)
        space = SearchSpace(candidates, width=1, shares=shares)
        found = search(Ledger(graph, cluster, cost), space)
        assert found.bound <= best * (1 + 1e-9), f"seed {seed}"
        assert found.cost >= best * (1 - 1e-9)
        assert found.exact == (found.cost <= found.bound)


def test_scripted_costs_make_the_expected_plan():
    """Sending is out of the question but halves are cheaper: rows are computed twice."""
    graph = chain(4)
    cost = Table(lambda t: float(t.flops), lambda t: 1e12 if t.kind == "exchange" else 0.0)
    planner = Planner(graph, ClusterSpec(2), cost)
    plan = planner.plan(planner.best(), "auto")
    geometry = plan.geometry(graph)
    assert geometry.exchanges == ()
    assert all(tile is not None for tiles in geometry.tiles.values() for tile in tiles)
    # Nothing costs but computing: nobody computes anything twice.
    cost = Table(lambda t: float(t.flops), lambda t: 0.0)
    choices = Planner(graph, ClusterSpec(2), cost).best().choices
    assert {choices[layer.outputs[0]].mode for layer in graph.layers} == {"T"}


def test_an_unrelated_second_input_is_planned():
    b = Builder()
    x, y = b.input(1, 3, 8, 8), b.input(1, 4, 8, 8)
    graph = b.graph(b.add(b.conv(x, 4), b.relu(y)))
    cost = Analytic()
    cluster = ClusterSpec(2)
    candidates = candidates_for(graph, cluster)
    best, _ = cheapest(graph, cluster, candidates, cost)
    assert Planner(graph, cluster, cost).best().cost == pytest.approx(best)


def test_a_layer_with_many_results_is_planned_without_a_claim():
    b = Builder()
    x = b.conv(b.input(1, 4, 8, 8), 4)
    parts = b.op("custom.parts", (x,), [(1, 4, 8, 8)] * 20)
    graph = b.graph(*parts[:2], b.concat(parts))
    planner = Planner(graph, ClusterSpec(3), Analytic())
    found = planner.best()
    plan = planner.plan(found, "auto")
    assert evaluate(graph, plan, planner.cost).latency == pytest.approx(found.cost)
    assert not found.exact
