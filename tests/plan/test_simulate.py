# SPDX-License-Identifier: Apache-2.0
"""The replay of a plan: consistent in itself and never later than the planner's sum."""

import random
from itertools import pairwise

import numpy as np
import pytest
from oracle import lawful
from plan_graphs import chain, random_graph, random_reduction

from flexpie_tvm.cost import Analytic
from flexpie_tvm.plan import (
    BASELINES,
    Choice,
    ClusterSpec,
    Plan,
    Split,
    baseline_plan,
    best_plan,
    routes_of,
)
from flexpie_tvm.plan.predict.evaluate import evaluate
from flexpie_tvm.plan.predict.simulate import simulate

COST = Analytic(gflops=0.05, memory_bandwidth=1e8, overhead=1e-6)


def cases():
    for seed in range(60):
        rng = random.Random(seed)
        graph = random_reduction(rng) if seed % 3 else random_graph(rng)
        boards = rng.choice([1, 2, 3, 4])
        cluster = ClusterSpec(
            boards,
            rng.choice([1e6, 1e8]),
            topology=rng.choice(["mesh", "ring", "ps", "shared"]),
            speeds=tuple(rng.choice([1, 2, 4]) for _ in range(boards)),
        )
        yield graph, cluster, rng.choice([COST, lawful(seed)]), rng.choice([*BASELINES, "auto"])


def test_never_later_than_all_boards_in_step():
    for graph, cluster, cost, name in cases():
        plan = baseline_plan(name, graph, cluster, cost)
        figures = evaluate(graph, plan, cost)
        latency = simulate(graph, plan, cost).latency
        assert latency <= figures.latency * (1 + 1e-9)
        assert latency >= max(t.max() for t in figures.compute.values())


def test_a_board_does_one_thing_at_a_time():
    for graph, cluster, cost, name in cases():
        timeline = simulate(graph, baseline_plan(name, graph, cluster, cost), cost)
        for board in range(cluster.boards):
            mine = sorted((e.start, e.stop) for e in timeline.events if e.board == board)
            assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(mine))


def test_links_carry_what_the_plan_sends():
    """Every message, on every link of its way; links are those that the topology has."""
    for graph, cluster, cost, name in cases():
        plan = baseline_plan(name, graph, cluster, cost)
        links = simulate(graph, plan, cost).links
        between = {link: n for link, n in links.items() if min(link) >= 0}
        routes, carried = routes_of(cluster), 0
        for exchange in plan.geometry(graph).exchanges:
            itemsize = graph.tensors[exchange.tensor].itemsize
            for message in exchange.messages:
                hops = len(routes.path(message.source, message.target)) - 1
                carried += message.region.volume * itemsize * hops
        assert sum(between.values()) == carried
        assert all(len(routes.path(*link)) == 2 for link in between)
        if cluster.topology in ("mesh", "shared"):
            assert carried == sum(evaluate(graph, plan, cost).nbytes.values())


def test_a_ring_passes_on_what_crosses_it():
    """Board 0 alone has the image's features; board 2 is two links away."""
    graph, cluster = chain(2, 4, 8), ClusterSpec(4, topology="ring")
    shape = graph.tensors[graph.layers[0].outputs[0]].shape
    alone, rows = Split((), ()), Split((2,), ((0, 0, 0, 8, 8),))
    names = [graph.tensors[layer.outputs[0]].name for layer in graph.layers]
    choices = {names[0]: Choice("T", "Single", alone), names[1]: Choice("T", "InH", rows)}
    links = simulate(graph, Plan(cluster, choices, "any"), COST).links
    nbytes = 4 * int(np.prod(shape))
    assert {link: n for link, n in links.items() if min(link) >= 0} == {
        (0, 1): nbytes, (1, 2): nbytes
    }


def test_one_board_alone_takes_exactly_the_sum():
    graph = chain(3)
    plan = best_plan(graph, ClusterSpec(1), COST)
    assert simulate(graph, plan, COST).latency == pytest.approx(plan.notes["predicted_ms"])


def test_busy_time_is_that_of_the_boards_own_tiles():
    graph = chain(3, 8, 16)
    plan = baseline_plan("InH", graph, ClusterSpec(4, 1e9), COST)
    figures = evaluate(graph, plan, COST)
    timeline = simulate(graph, plan, COST)
    for board in range(4):
        own = sum(times[board] for times in figures.compute.values())
        assert timeline.busy(board) == pytest.approx(own)
