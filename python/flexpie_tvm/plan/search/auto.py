# SPDX-License-Identifier: Apache-2.0
"""The entry points of planning: the best plan, and plans of a named way of cutting."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...cost import Cost
from ...errors import PlanError
from ...graph import Graph
from ..model.cluster import ClusterSpec
from ..model.memory import memory_excess
from ..model.plan import Plan
from ..predict.evaluate import OBJECTIVES, evaluate, taking_part
from .constrained import fit_memory, spread_load
from .doubt import Doubt, doubt_of
from .objective import Objective
from .planner import BASELINES, Planner

#: Share of the latency that calls of more boards must cost for fewer of several to be looked at.
WORTH = 0.005


def best_plan(
    graph: Graph,
    cluster: ClusterSpec,
    cost: Cost | None = None,
    objective: str = "latency",
    planner: Planner | None = None,
) -> Plan:
    """The best plan for a model on a cluster.

    Parameters
    ----------
    graph : Graph
        With layers.
    cluster : ClusterSpec
        Boards, speeds, memory and links.
    cost : Cost, optional
        Predicts milliseconds; by default `Analytic`, from the cluster's figures alone.
    objective : {"latency", "throughput", "energy"}
        What is minimised: milliseconds of one inference; milliseconds of the busiest board;
        milliseconds of all boards plus those of all bytes on one link.
    planner : Planner, optional
        To share what has been worked out between calls.

    Returns
    -------
    plan : Plan
        Its notes hold ``predicted_ms``, the ``objective`` and its ``value``, whether it is
        ``exact``, and the ``gap`` to a lower bound (0.1: no plan is more than 10% better).

    Raises
    ------
    PlanError
        If no plan fits the boards' memory (the message says by how much), or the objective
        is unknown.
    """
    if objective not in OBJECTIVES:
        raise PlanError(f"unknown objective '{objective}': choose one of {', '.join(OBJECTIVES)}")
    planner = planner or Planner(graph, cluster, cost)
    if objective == "throughput":
        return _noted(planner, spread_load(planner), objective)
    goal = Objective(objective, cluster.bandwidth)
    plan = planner.plan(planner.best(goal), "auto")
    if cluster.memory and memory_excess(graph, plan) > 0:
        plan = fit_memory(planner, goal)
    if objective == "latency":
        plan = _or_fewer(planner, plan)
    return _noted(planner, plan, objective)


def _or_fewer(planner: Planner, plan: Plan) -> Plan:
    """A plan, or one of fewer boards if that is faster once the host's calls are counted.

    Searches add up layers and transfers; calls are the same for all plans of some boards. Where
    costs are learned, fewer boards are taken also if more gain less than those err by (`Doubt`).
    """
    graph, cost, cluster = planner.graph, planner.cost, planner.cluster
    used, doubt = len(taking_part(plan.geometry(graph))), doubt_of(cost)
    best = figures = evaluate(graph, plan, cost)
    taken, chosen = plan, figures
    for team in planner.teams:
        saved = cost.calls(used) - cost.calls(len(team))
        few = len(team) == 1 or saved >= WORTH * figures.latency
        if len(team) >= used or not few or (saved <= 0 and doubt == Doubt()):
            continue
        found = planner.best_of(team, doubt.limit(best) - cost.calls(len(team)))
        if found is None:
            continue
        fewer = planner.plan(found, "auto")
        told = evaluate(graph, fewer, cost)
        fits = not (cluster.memory and memory_excess(graph, fewer) > 0)
        if fits and not doubt.gains(best, told):
            taken, chosen = fewer, told
            best = min(best, told, key=lambda one: one.latency)
    if taken is plan:
        return plan
    why = _why(used, figures.latency, chosen.latency > figures.latency)
    return replace(taken, notes={**taken.notes, "boards": why})


def _why(used: int, latency: float, doubted: bool) -> str:
    how = "gain less than predictions err by" if doubted else "are slower"
    return f"more of them {how}: {used} were predicted to take {latency:.3g} ms"


def baseline_plan(
    name: str,
    graph: Graph,
    cluster: ClusterSpec,
    cost: Cost | None = None,
    planner: Planner | None = None,
) -> Plan:
    """The best plan of one way of cutting, with all boards (FlexPie, section 5).

    Parameters
    ----------
    name : str
        ``InH``, ``InW``, ``OutC``, ``2D-grid``, ``2D-grid:RxC``, ``Single``, ``InH/InW``,
        ``layerwise`` or ``fused``; ``auto`` is `best_plan`.
    graph, cluster, cost, planner
        As for `best_plan`.

    Raises
    ------
    PlanError
        If the name is unknown or the plan does not fit the boards' memory.
    """
    planner = planner or Planner(graph, cluster, cost)
    if name == "auto":
        return best_plan(graph, cluster, planner=planner)
    plan = _noted(planner, planner.plan(planner.baseline(name), name), "latency")
    excess = memory_excess(graph, plan)
    if excess > 0:
        raise PlanError(
            f"scheme {name} needs {excess / 1e6:.1f} MB more than a board has: try auto"
        )
    return plan


@dataclass(frozen=True)
class Compared:
    """One way of cutting in a comparison.

    ``score`` is best/own: 1.0 is the best plan. ``plan`` is None, ``predicted_ms`` infinite
    and ``score`` 0 if the way does not fit the boards' memory.

    Parameters
    ----------
    name : str
        Of the way.
    plan : Plan or None
        Its plan.
    predicted_ms : float
        Latency in milliseconds.
    score : float
        From 0 to 1.
    """

    name: str
    plan: Plan | None
    predicted_ms: float
    score: float


def compare(
    graph: Graph, cluster: ClusterSpec, cost: Cost | None = None, planner: Planner | None = None
) -> list[Compared]:
    """The five baselines and the best plan, by predicted latency, as in the paper's figures.

    Parameters
    ----------
    graph : Graph
        The model's layers.
    cluster : ClusterSpec
        The boards.
    cost : Cost, optional
        As of `best_plan`.
    planner : Planner, optional
        One for this graph and cluster that is there already; then ``cost`` is not looked at.

    Raises
    ------
    PlanError
        If not even the best plan fits the boards' memory.
    """
    planner = planner or Planner(graph, cluster, cost)
    best = best_plan(graph, cluster, planner=planner)
    plans = {name: _fitting(name, planner) for name in BASELINES}
    doubt, least = doubt_of(planner.cost), evaluate(graph, best, planner.cost)
    for plan in filter(None, plans.values()):  # a beam may miss a plan
        told = evaluate(graph, plan, planner.cost)
        if told.latency < least.latency and doubt.gains(told, least):
            best, least = replace(plan, scheme="auto"), told
    fastest = best.notes["predicted_ms"]
    return [_compared(name, plan, fastest) for name, plan in {**plans, "auto": best}.items()]


def _fitting(name: str, planner: Planner) -> Plan | None:
    """The best plan of a way of cutting; None if it does not fit the boards' memory."""
    try:
        return baseline_plan(name, planner.graph, planner.cluster, planner=planner)
    except PlanError:
        return None


def _compared(name: str, plan: Plan | None, fastest: float) -> Compared:
    if plan is None:
        return Compared(name, None, float("inf"), 0.0)
    time = plan.notes["predicted_ms"]
    return Compared(name, plan, time, fastest / time if time else 1.0)


def _noted(planner: Planner, plan: Plan, objective: str) -> Plan:
    figures = evaluate(planner.graph, plan, planner.cost)
    notes = {
        "predicted_ms": figures.latency,
        "objective": objective,
        "value": figures.objective(objective),
        "bytes_exchanged": sum(figures.nbytes.values()),
        "memory": list(figures.memory),
        **plan.notes,
    }
    return replace(plan, notes=notes)
