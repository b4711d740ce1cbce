# SPDX-License-Identifier: Apache-2.0
"""Plans within the boards' memory, and plans for throughput.

Neither is a sum over layers, so both are searched by prices: a price per byte of weights on
a board, or a weight per board's busy time, makes the problem a sum that DPP solves; prices
rise where a board is over its limit (or is the busiest) and fall elsewhere. The cheapest
plan that keeps the limits is returned; the best priced sum is a lower bound (Lagrangian
duality), so the plan's ``gap`` says how far from the best it can be.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import PlanError
from ...graph import Graph
from ..model.memory import memory_need, weights_of
from ..model.plan import Plan
from ..predict.evaluate import evaluate
from .objective import Objective
from .planner import BASELINES, Planner
from .space import Found

ROUNDS = 12


def fit_memory(planner: Planner, goal: Objective) -> Plan:
    """The best plan found that fits every board's memory.

    Raises
    ------
    PlanError
        If none was found; the message says how much the closest one lacks.
    """
    limits = np.array(planner.cluster.memory, dtype=float)
    offered = [planner.plan(planner.baseline(name, goal), "auto") for name in BASELINES]
    bound, price = 0.0, np.zeros(len(limits))
    low, high = np.zeros(len(limits)), np.full(len(limits), np.inf)
    scale = planner.best(goal).cost / max(1.0, _weights(planner.graph))
    for _ in range(ROUNDS):
        priced = replace(goal, memory=tuple(price))
        found = _within(planner, priced, limits)
        if found is None:
            break
        bound = max(bound, found.bound - float(price @ limits))
        plan = planner.plan(found, "auto")
        geometry = plan.geometry(planner.graph)
        offered.append(plan)
        # The same prices with what these weights leave for activations: no bound, but it fits.
        held = [weights_of(planner.graph, geometry, b) for b in range(len(limits))]
        tight = _within(planner, priced, limits - np.array(held))
        if tight is not None:
            offered.append(planner.plan(tight, "auto"))
        over = np.array(memory_need(planner.graph, geometry)) / limits - 1
        low = np.where(over > 0, np.maximum(low, price), low)
        high = np.where(over > 0, high, np.minimum(high, price))
        high = np.where(low >= high, np.inf, high)  # dearer elsewhere, so it moved here
        price = _between(low, high, scale / 16)
    return _cheapest(planner, goal, offered, bound)


def _between(low: np.ndarray, high: np.ndarray, first: float) -> np.ndarray:
    """The next prices to try: between too low and high enough, where both are known."""
    raised = np.maximum(low * 8, first)
    middle = np.sqrt(np.maximum(low, first / 64) * np.where(np.isinf(high), 1.0, high))
    return np.where(np.isinf(high), raised, np.where(high == 0, 0.0, middle))


def _within(planner: Planner, goal: Objective, limits: np.ndarray) -> Found | None:
    """The best plan whose live activations keep to limits; None if there is none."""
    try:
        return planner.best(goal, np.maximum(limits, 0).astype(int).tolist())
    except PlanError:
        return None


def _weights(graph: Graph) -> int:
    return sum(t.nbytes for t in graph.tensors if t.kind == "constant")


def _cheapest(planner: Planner, goal: Objective, offered: list[Plan], bound: float) -> Plan:
    limits = np.array(planner.cluster.memory)
    best, least, closest = None, float("inf"), float("inf")
    for plan in offered:
        figures = evaluate(planner.graph, plan, planner.cost)
        over = int((np.array(figures.memory) - limits).max())
        closest = min(closest, over)
        value = figures.objective(goal.name)
        if over <= 0 and value < least:
            best, least = plan, value
    if best is None:
        raise PlanError(
            f"no plan fits the boards' memory: the closest needs {closest / 1e6:.1f} MB more "
            "than one of them has"
        )
    return _with_gap(best, least, bound)


def spread_load(planner: Planner) -> Plan:
    """The plan found whose busiest board has least to do.

    Raises
    ------
    PlanError
        If none fits the boards' memory.
    """
    boards = planner.cluster.boards
    latency = Objective()
    offered = [planner.plan(planner.best(latency), "auto")]
    offered += [planner.plan(planner.baseline(name), "auto") for name in BASELINES]
    bound, weights = 0.0, np.full(boards, 1 / boards)
    for step in range(ROUNDS):
        found = planner.best(Objective("weighted", weights=tuple(weights)))
        bound = max(bound, found.bound)
        plan = planner.plan(found, "auto")
        offered.append(plan)
        busy = evaluate(planner.graph, plan, planner.cost).busy
        if not busy.max():
            break
        weights = weights * np.exp(2 / (1 + step / 2) * (busy / busy.max() - 1))
        weights /= weights.sum()
    if planner.cluster.memory:
        offered = [*offered, fit_memory(planner, latency)]
    limits = np.array(planner.cluster.memory or [np.inf] * boards)
    fitting: list[tuple[float, int, Plan]] = []
    for plan in offered:
        figures = evaluate(planner.graph, plan, planner.cost)
        if (np.array(figures.memory) <= limits).all():
            fitting.append((figures.throughput, len(fitting), plan))
    value, _, best = min(fitting)
    return _with_gap(best, value, bound)


def _with_gap(plan: Plan, value: float, bound: float) -> Plan:
    gap = value / bound - 1 if bound > 0 else float("inf")
    exact = gap <= 1e-9
    return replace(plan, notes={**plan.notes, "exact": exact, "gap": max(0.0, gap)})
