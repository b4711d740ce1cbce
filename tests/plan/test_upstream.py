# SPDX-License-Identifier: Apache-2.0
"""Lower bounds of what lies before a need: never above the truth, exact on chains."""

import random
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from oracle import cheapest, lawful
from plan_graphs import chain, random_graph, random_reduction

from flexpie_tvm.cost import Analytic
from flexpie_tvm.plan import ClusterSpec, Planner
from flexpie_tvm.plan.search.bounds import find_floors
from flexpie_tvm.plan.search.candidates import candidates_for, shares_for
from flexpie_tvm.plan.search.dpp import search
from flexpie_tvm.plan.search.ledger import Ledger
from flexpie_tvm.plan.search.objective import Objective
from flexpie_tvm.plan.search.space import SearchSpace
from flexpie_tvm.plan.search.upstream import Upstream


def monotone_case(seed):
    rng = random.Random(seed)
    graph = random_graph(rng) if seed % 2 else random_reduction(rng)
    boards = rng.choice([2, 3, 4])
    speeds = () if rng.random() < 0.5 else tuple(rng.choice([1, 2, 3]) for _ in range(boards))
    topology = rng.choice(["mesh", "ring", "ps", "shared"])
    cluster = ClusterSpec(boards, rng.choice([1e6, 1e8]), topology=topology, speeds=speeds)
    keep = {1: 7, 2: 7, 3: 3, 4: 2}.get(len(graph.layers), 1)
    candidates = {
        t: tuple(rng.sample(ways, min(keep, len(ways))))
        for t, ways in candidates_for(graph, cluster).items()
    }
    shares = {
        t: tuple(rng.sample(ways, min(len(ways), 2 if len(graph.layers) < 3 else 1)))
        for t, ways in shares_for(graph, cluster, every=True).items()
    }
    cost = rng.choice([Analytic(gflops=0.01, memory_bandwidth=1e7), lawful(seed)])
    return graph, cluster, cost, SearchSpace(candidates, shares=shares)


@pytest.mark.parametrize("part", range(4))
def test_never_above_the_best_plan_and_nothing_is_lost_by_it(part):
    for seed in range(20000 + part, 20120, 4):
        graph, cluster, cost, space = monotone_case(seed)
        best, _ = cheapest(graph, cluster, space.candidates, cost, shares=space.shares)
        floors = find_floors(graph, cluster, cost)
        ledger = Ledger(graph, cluster, cost)
        for deep in (0, 1, 3):
            upstream = Upstream(ledger, space, floors, deep)
            assert upstream.least <= best * (1 + 1e-9), f"seed {seed}, deep {deep}"
            tight = replace(space, limit=best)
            found = search(ledger, tight, floors.layers(graph), upstream)
            assert found.cost == pytest.approx(best, rel=1e-9), f"seed {seed}, deep {deep}"
            found = search(ledger, replace(space, width=1), floors.layers(graph), upstream)
            assert found.bound <= best * (1 + 1e-9), f"seed {seed}, deep {deep}"
            assert found.cost >= best * (1 - 1e-9), f"seed {seed}, deep {deep}"


def test_other_objectives_have_bounds_too():
    for seed in range(21000, 21030):
        graph, cluster, cost, space = monotone_case(seed)
        goal = Objective("energy", cluster.bandwidth)
        space = SearchSpace(space.candidates, objective=goal, shares=space.shares)
        best, _ = cheapest(graph, cluster, space.candidates, cost, "energy", space.shares)
        ledger = Ledger(graph, cluster, cost)
        assert Upstream(ledger, space).least <= best * (1 + 1e-9), f"seed {seed}"


def test_exact_on_a_chain_whose_fused_runs_are_followed_to_the_end():
    graph, cluster, cost = chain(5, 8, 16), ClusterSpec(3, 1e7), Analytic(gflops=0.1)
    ledger, space = Ledger(graph, cluster, cost), SearchSpace(candidates_for(graph, cluster))
    best = search(ledger, space).cost
    followed = [Upstream(ledger, space, deep=deep).least for deep in range(6)]
    assert followed[-1] == pytest.approx(best)
    assert all(np.diff(followed) >= -1e-9)
    assert followed[0] < best


def test_a_wide_beam_is_not_needed_when_the_bound_is_reached():
    """The first plan equals the bound on a network of one layer: nothing else is searched."""
    planner = Planner(chain(1), ClusterSpec(2), Analytic())
    found = planner.best()
    assert found.exact
    assert found.states <= 2


def test_what_parts_read_is_known_without_their_tiles():
    compared = 0
    for seed in range(22000, 22060):
        graph, cluster, cost, space = monotone_case(seed)
        ledger = Ledger(graph, cluster, cost)
        for index, shape in enumerate(ledger.layers):
            made = graph.ops[shape.layer.anchor].outputs[0]
            ways = product(*(space.candidates[t] for t in shape.layer.outputs))
            for share, way in product(space.shares.get(made, ()), ways):
                outputs = zip(shape.layer.outputs, way, strict=True)
                key = tuple(ledger.owned(t, one.split) for t, one in outputs)
                known = ledger.part_reads(index, key, share)
                assert known == ledger.made(index, [key], share)[0].reads, f"seed {seed}"
                compared += 1
    assert compared > 100
