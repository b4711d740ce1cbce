# SPDX-License-Identifier: Apache-2.0
"""The cheapest plan by trying all of them, and costs that no planner can guess."""

from __future__ import annotations

import random
import zlib
from itertools import product

from flexpie_tvm.cost import Table
from flexpie_tvm.plan import Choice, Plan
from flexpie_tvm.plan.predict.evaluate import evaluate


def all_plans(graph, cluster, candidates, shares=None):
    """Every plan: each layer output T in each way, or NT where it is no result.

    With ``shares`` (tensor id -> ways to share the input behind it) also every plan in which
    anchors make partial results, of the layer's result itself or of a tensor before it.
    """
    options = [_layer_choices(graph, layer, candidates, shares or {}) for layer in graph.layers]
    for picked in product(*options):
        choices = {graph.tensors[t].name: c for part in picked for t, c in part}
        yield Plan(cluster, choices, "any")


def _layer_choices(graph, layer, candidates, shares):
    ways = []
    for t in layer.outputs:
        owned = [(t, Choice("T", c.scheme, c.split)) for c in candidates[t]]
        ways.append(owned if t in graph.outputs else [*owned, (t, Choice("NT"))])
    found = list(product(*ways))
    made = graph.ops[layer.anchor].outputs[0]
    for split in shares.get(made, ()):
        partial = (made, Choice("T", "InC", split))
        before = [()] if made in layer.outputs else product(*ways)
        found += [(*rest, partial) for rest in before]
    return found


def cheapest(graph, cluster, candidates, cost, objective="latency", shares=None):
    """The cheapest plan's figure and the number of plans tried."""
    figures = [
        evaluate(graph, plan, cost).objective(objective)
        for plan in all_plans(graph, cluster, candidates, shares)
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
