# SPDX-License-Identifier: Apache-2.0
"""A module with its plan: what is decided once and carried to whatever comes next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import tvm

from ..cost import Cost
from ..errors import PlanError
from ..graph import Graph
from ..machine import FP32
from ..plan import ClusterSpec, Plan, choose_plan, cluster_of, fitted
from .annotate import annotate
from .annotations import plan_of
from .importer import Imported, import_module
from .precision import precision_of
from .results import copy_results
from .stages import is_watched, seen


@dataclass(frozen=True)
class Partitioned:
    """A module and how it is cut.

    Parameters
    ----------
    imported : Imported
        The module and its layer graph.
    plan : Plan
        A plan for this graph.
    """

    imported: Imported
    plan: Plan

    @property
    def graph(self) -> Graph:
        """The module's layers."""
        return self.imported.graph

    @cached_property
    def annotated(self) -> tvm.IRModule:
        """The module with the plan written into it, for people and for other passes."""
        return annotate(self.imported, self.plan)


def read_plan(mod: tvm.IRModule) -> Partitioned:
    """The layer graph of an annotated module, and the plan in its annotations.

    Parameters
    ----------
    mod : tvm.IRModule
        What ``FlexPiePartition`` gave, or its text parsed back.

    Raises
    ------
    PlanError
        If the module is not annotated, or a layer is not.
    """
    imported = import_module(mod)
    tensors = imported.graph.tensors
    choices = {tensors[t].name: choice for t, choice in imported.choices.items()}
    plan = plan_of(imported.main, choices)
    for layer in imported.graph.layers:
        for tensor in layer.outputs:
            if tensor not in imported.choices:
                raise PlanError(
                    f"layer {layer.name} is not annotated: run FlexPiePartition() as the last pass"
                )
    return Partitioned(imported, plan)


def read_module(mod: tvm.IRModule) -> Imported:
    """A module that is ready to be cut: every result is computed, its layers are known.

    Parameters
    ----------
    mod : tvm.IRModule
        Of static shapes, weights bound as constants; usually from ``FlexPiePreOptimize``.

    Raises
    ------
    ModelError
        For dynamic shapes and control flow.
    """
    return import_module(copy_results(mod))


def partition(
    model: tvm.IRModule | Imported,
    cluster: ClusterSpec | int | None = None,
    scheme: str = "auto",
    cost: Cost | None = None,
    objective: str = "latency",
    plan: Plan | None = None,
) -> Partitioned:
    """Decide how a module is cut; what ``FlexPiePartition`` writes into it.

    Parameters
    ----------
    model : tvm.IRModule or Imported
        The module, or what `read_module` has read of it already.
    cluster, scheme, cost, objective, plan
        As of ``FlexPiePartition``.

    Returns
    -------
    cut : Partitioned
        The layers with a plan whose cut points fit them.

    Raises
    ------
    ModelError
        For dynamic shapes and control flow.
    PlanError
        If no plan fits the boards' memory, or a finished plan is for another model or precision.
    """
    imported = model if isinstance(model, Imported) else read_module(model)
    precision = precision_of(imported.module)
    if plan is not None:
        check_plan_precision(plan, precision)
        return _seen(Partitioned(imported, fitted(plan, imported.graph)))
    chosen = choose_plan(imported.graph, cluster_of(cluster), scheme, cost, objective)
    noted = replace(chosen, notes={**chosen.notes, "precision": precision})
    return _seen(Partitioned(imported, fitted(noted, imported.graph)))


def _seen(cut: Partitioned) -> Partitioned:
    if is_watched():
        seen(cut.annotated, "annotated")
    return cut


def check_plan_precision(plan: Plan, precision: str) -> None:
    """``PlanError`` if a plan is for a model of another precision."""
    planned = plan.notes.get("precision", FP32)
    if planned != precision:
        raise PlanError(f"the plan is for {planned}, and the model computes in {precision}")
