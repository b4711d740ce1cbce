# SPDX-License-Identifier: Apache-2.0
"""The cheapest plan by trying all of them, and costs that no planner can guess."""

from __future__ import annotations

import random
import zlib
from itertools import product

from flexpie_tvm.cost import Table
from flexpie_tvm.plan import Choice, Plan
from flexpie_tvm.plan.evaluate import evaluate


def all_plans(graph, cluster, candidates):
    """Every plan: each layer output T in each way, or NT where it is no result."""
    tensors = [t for layer in graph.layers for t in layer.outputs]
    options = []
    for t in tensors:
        ways = [Choice("T", c.scheme, c.split) for c in candidates[t]]
        options.append(ways if t in graph.outputs else [*ways, Choice("NT")])
    names = [graph.tensors[t].name for t in tensors]
    for choices in product(*options):
        yield Plan(cluster, dict(zip(names, choices, strict=True)), "any")


def cheapest(graph, cluster, candidates, cost, objective="latency"):
    """The cheapest plan's figure and the number of plans tried."""
    figures = [
        evaluate(graph, plan, cost).objective(objective)
        for plan in all_plans(graph, cluster, candidates)
    ]
    return min(figures), len(figures)


def _dice(*facts):
    return zlib.crc32(repr(facts).encode()) / 2**32


def lawless(seed):
    """Costs without any order: more work may be cheaper."""
    return Table(
        lambda t: 10 * _dice(seed, t),
        lambda t: 10 * _dice(seed, t.kind, t.nbytes.tolist(), t.tensor),
    )


def lawful(seed):
    """Random costs per layer and tensor that never fall when work grows."""
    rng = random.Random(seed)
    slope, wire, start = rng.uniform(0, 2), rng.choice([0.01, 0.3, 3, 30]), rng.uniform(0, 50)

    def tile(t):
        return start * _dice(seed, t.layer) + slope * _dice(seed, t.layer, 1) * t.flops / t.speed

    def transfer(t):
        return wire * (t.nbytes.sum() * _dice(seed, t.tensor) + 20 * (t.nbytes > 0).sum())

    return Table(tile, transfer, monotone=True)
