# SPDX-License-Identifier: Apache-2.0
"""Searches with learned costs: as cheap as brute force, with floors that lose nothing."""

import random

import pytest
from oracle import cheapest
from plan_graphs import Builder, random_graph
from test_dpp import random_case

from flexpie_tvm.graph import Region
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.plan.predict.work import exchange_transfer, tile_work
from flexpie_tvm.plan.search.bounds import find_floors
from flexpie_tvm.plan.search.dpp import search
from flexpie_tvm.plan.search.layer_shape import walk
from flexpie_tvm.plan.search.ledger import Ledger
from flexpie_tvm.plan.search.space import SearchSpace

ROUNDING = 1 + 1e-9


def test_equals_brute_force(learned):
    for seed in range(9000, 9030):
        graph, cluster, candidates, shares, _ = random_case(seed)
        best, _ = cheapest(graph, cluster, candidates, learned, shares=shares)
        floors = find_floors(graph, cluster, learned).layers(graph)
        assert sum(floors) <= best * ROUNDING, f"seed {seed}"
        space = SearchSpace(candidates, limit=best, shares=shares)
        found = search(Ledger(graph, cluster, learned), space, floors)
        assert found.cost == pytest.approx(best, rel=1e-9), f"seed {seed}"
        assert found.exact


def image_network():
    """Layers as wide as those that the made-up board was measured on."""
    b = Builder()
    x = b.relu(b.conv(b.input(1, 16, 56, 56), 64))
    y = b.conv(b.relu(b.conv(x, 64, groups=64)), 128, 1, 2)
    return b.graph(b.add(y, b.conv(b.pool(x), 128, 3)))


def nested_regions(rng, shape):
    """A random box and one inside it."""
    large = [sorted(rng.sample(range(size + 1), 2)) for size in shape]
    small = [sorted(rng.choices(range(a, b + 1), k=2)) for a, b in large]
    return [Region(tuple(tuple(side) for side in sides)) for sides in (small, large)]


def test_tiles_of_nested_regions_never_cost_less(learned):
    """The records are the planner's own: halos, clipped edges, fused operators."""
    rng, compared = random.Random(3), 0
    for _ in range(300):
        graph = image_network() if rng.random() < 0.5 else random_graph(rng)
        layer = rng.choice([la for la in graph.layers if len(la.outputs) == 1])
        works = []
        for region in nested_regions(rng, graph.tensors[layer.outputs[0]].shape):
            tiles, _ = walk(graph, layer, (region,))
            works.append(tile_work(graph, layer, tiles, (4, 1.0, "")))
        if all(works):
            a, b = learned.compute(works)
            assert a <= b * ROUNDING
            compared += 1
    assert compared > 50


def test_exchanges_of_nested_needs_never_cost_less(learned):
    rng = random.Random(4)
    tensor = image_network().tensors[0]
    rows = [Region(((0, 1), (0, 16), (14 * k, 14 * k + 14), (0, 56))) for k in range(4)]
    cols = [Region(((0, 1), (0, 16), (0, 56), (14 * k, 14 * k + 14))) for k in range(4)]
    for topology in ("mesh", "ring", "ps", "shared"):
        links = ClusterSpec(4, 1e8, topology=topology).links
        for _ in range(50):
            small, large = zip(*(nested_regions(rng, tensor.shape) for _ in range(4)), strict=True)
            for owned in (rows, cols):
                moved = [exchange_transfer(owned, need, tensor, links) for need in (small, large)]
                a, b = learned.exchange(moved) * [m.total > 0 for m in moved]
                assert a <= b * ROUNDING
