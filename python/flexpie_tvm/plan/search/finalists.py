# SPDX-License-Identifier: Apache-2.0
"""The few plans among which boards themselves should decide."""

from __future__ import annotations

from dataclasses import replace

from ...cost import Cost
from ...errors import PlanError
from ...graph import Graph
from ..model.cluster import ClusterSpec
from ..model.memory import memory_excess
from ..model.plan import Plan
from .auto import baseline_plan, best_plan
from .choose import choose_plan
from .planner import BASELINES, Planner
from .uniform import UNIFORM

ALONE = "Single"


def finalists(
    graph: Graph, cluster: ClusterSpec, cost: Cost | None = None, number: int = 4
) -> list[Plan]:
    """The plans of least predicted latency, one of each way of cutting.

    Predictions err by some percent, and two ways are often closer than that. The first is the
    best plan, then one board alone; the others are the best of fewer boards, the paper's
    ways, and every layer cut in one way, the one that is predicted to be the fastest first.

    Parameters
    ----------
    graph : Graph
        The model's layers.
    cluster : ClusterSpec
        The boards.
    cost : Cost, optional
        As of `best_plan`.
    number : int
        How many at most.

    Returns
    -------
    plans : list of Plan
        No two cut the model alike. The notes tell ``predicted_ms``.

    Raises
    ------
    PlanError
        If no plan fits the boards' memory.
    """
    planner = Planner(graph, cluster, cost)
    chosen = best_plan(graph, cluster, planner=planner)
    others = [*_of_fewer(planner)]
    for name in dict.fromkeys((*BASELINES, *UNIFORM)):
        try:
            if name in BASELINES:
                others.append(baseline_plan(name, graph, cluster, planner=planner))
            else:
                others.append(choose_plan(graph, cluster, name, planner.cost))
        except PlanError:  # does not fit the boards' memory
            continue
    others.sort(key=lambda plan: (plan.scheme != ALONE, plan.notes["predicted_ms"]))
    distinct: dict[str, Plan] = {}
    for plan in (chosen, *others):
        if plan is chosen or memory_excess(graph, plan) <= 0:
            distinct.setdefault(_told(graph, plan), plan)
    return list(distinct.values())[:number]


def _of_fewer(planner: Planner) -> list[Plan]:
    """The best plan of fewer boards, for each smaller number of several."""
    found: list[Plan] = []
    for team in planner.teams[1:]:
        best = planner.best_of(team, float("inf")) if len(team) > 1 else None
        if best is not None:
            plan = planner.plan(best, f"auto of {len(team)}")
            latency = best.cost + planner.cost.calls(len(team))
            found.append(replace(plan, notes={**plan.notes, "predicted_ms": latency}))
    return found


def _told(graph: Graph, plan: Plan) -> str:
    """What a plan has boards do; equal for plans that differ by their names alone."""
    geometry = plan.geometry(graph)
    return repr((sorted(geometry.tiles.items()), geometry.exchanges))
