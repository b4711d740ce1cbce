# SPDX-License-Identifier: Apache-2.0
"""From the name of a way of cutting to a plan."""

from __future__ import annotations

from dataclasses import replace

from ...cost import Analytic, Cost
from ...errors import PlanError
from ...graph import Graph
from ..model.cluster import ClusterSpec
from ..model.plan import Plan
from ..model.scheme import parse_scheme
from ..predict.evaluate import evaluate
from .auto import baseline_plan, best_plan
from .uniform import PARTIAL, UNIFORM, uniform_plan

SEARCHED = ("auto", "layerwise", "fused", "InH/InW")


def check_scheme(scheme: str, boards: int) -> None:
    """Refuse a way of cutting that there is not for this number of boards.

    Parameters
    ----------
    scheme : str
        As of ``FlexPiePartition``.
    boards : int
        How many there are.

    Raises
    ------
    PlanError
        If the name is unknown, or a grid has another number of cells.
    """
    if scheme in SEARCHED or scheme == PARTIAL:
        return
    if scheme not in UNIFORM and not scheme.startswith("2D-grid:"):
        known = ", ".join((*SEARCHED, *UNIFORM, "2D-grid:RxC"))
        raise PlanError(f"unknown scheme '{scheme}': choose one of {known}")
    parse_scheme(scheme, boards)


def choose_plan(
    graph: Graph,
    cluster: ClusterSpec,
    scheme: str = "auto",
    cost: Cost | None = None,
    objective: str = "latency",
) -> Plan:
    """The plan that a scheme's name stands for, with its predicted latency in the notes.

    Parameters
    ----------
    graph : Graph
        With layers.
    cluster : ClusterSpec
        The boards.
    scheme : str
        ``auto``, ``layerwise``, ``fused``, ``InH/InW``: searched for. Any other: every layer
        that way, in mode T.
    cost : Cost, optional
        Predicts milliseconds; by default `Analytic`.
    objective : {"latency", "throughput", "energy"}
        What ``auto`` minimises.

    Raises
    ------
    PlanError
        If the scheme is unknown or the plan does not fit the boards' memory.
    """
    check_scheme(scheme, cluster.boards)
    if scheme == "auto":
        return best_plan(graph, cluster, cost, objective)
    if scheme in SEARCHED:
        return baseline_plan(scheme, graph, cluster, cost)
    model = cost or Analytic()
    plan = uniform_plan(graph, cluster, scheme)
    figures = evaluate(graph, plan, model)
    notes = {"predicted_ms": figures.latency, "cost_model": model.name}
    return replace(plan, notes=notes)
