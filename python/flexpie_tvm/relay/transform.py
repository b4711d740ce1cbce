# SPDX-License-Identifier: Apache-2.0
"""``FlexPiePartition``: the pass that writes a plan into a Relay module."""

from __future__ import annotations

from dataclasses import replace

import tvm
from tvm import relay

from ..cost import Cost
from ..errors import PlanError
from ..machine import FP32
from ..plan import ClusterSpec, Plan, check_scheme, choose_plan, chosen_tensors
from . import partition_op
from .annotations import plan_attrs
from .importer import Imported, import_module
from .precision import precision_of
from .results import copy_results
from .rewrite import rewrite, with_main


def FlexPiePartition(  # noqa: N802 - passes are named like classes in tvm.relay.transform
    cluster: ClusterSpec | int = 4,
    scheme: str = "auto",
    cost: Cost | None = None,
    objective: str = "latency",
    plan: Plan | None = None,
) -> tvm.transform.Pass:
    """Give every layer a scheme, a split and a mode (FlexPie, section 3).

    The result is still the whole model and runs on one board unchanged; it is the input of
    `flexpie_tvm.lower`.

    Parameters
    ----------
    cluster : ClusterSpec or int
        The boards to plan for; a number means that many equal boards.
    scheme : str
        ``auto`` finds the best plan. ``InH``, ``InW``, ``OutC``, ``2D-grid``,
        ``2D-grid:RxC``, ``Single`` and ``InC`` (partial sums) cut every layer that way, all
        in mode T. ``layerwise`` and ``fused`` are the best plans of those ways of cutting.
    cost : Cost, optional
        Predicts milliseconds; by default `Analytic`, from the cluster's figures alone.
    objective : {"latency", "throughput", "energy"}
        What ``auto`` minimises.
    plan : Plan, optional
        A finished plan for this module; then nothing else is looked at.

    Returns
    -------
    pass : tvm.transform.Pass
        A module pass, usable in ``tvm.transform.Sequential``.

    Raises
    ------
    PlanError
        From the call, for an unknown scheme or a bad number of boards; from the pass, if no
        plan fits the boards' memory, or a finished plan is for another model or precision.
    """
    spec = ClusterSpec(cluster) if isinstance(cluster, int) else cluster
    if plan is None:
        check_scheme(scheme, spec.boards)

    @tvm.transform.module_pass(opt_level=0, name="FlexPiePartition", required=["InferType"])
    def run(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
        mod = copy_results(mod)
        imported = import_module(mod)
        precision = precision_of(mod)
        if plan is not None:
            check_plan_precision(plan, precision)
            return annotate(mod, imported, plan)
        chosen = choose_plan(imported.graph, spec, scheme, cost, objective)
        notes = {**chosen.notes, "precision": precision}
        return annotate(mod, imported, replace(chosen, notes=notes))

    return run


def check_plan_precision(plan: Plan, precision: str) -> None:
    """``PlanError`` if a plan is for a model of another precision."""
    planned = plan.notes.get("precision", FP32)
    if planned != precision:
        raise PlanError(f"the plan is for {planned}, and the model computes in {precision}")


def annotate(mod: tvm.IRModule, imported: Imported, plan: Plan) -> tvm.IRModule:
    """Plan -> annotated IRModule."""
    graph = imported.graph
    plan.owned(graph)  # refuses a plan that names what this model does not have
    choices = {}
    for layer in graph.layers:
        anchor = graph.ops[layer.anchor]
        for tensor in chosen_tensors(graph, layer, plan):
            name = graph.tensors[tensor].name
            if name not in plan.choices:
                raise PlanError(f"plan is for another model: it says nothing about '{name}'")
            choices[tensor] = (layer.name, anchor.kind, plan.choices[name])
    marks = _Marks(imported, choices)
    body = rewrite(imported.main.body, marks.change)
    old = imported.main
    main = relay.Function(old.params, body, None, old.type_params, old.attrs)
    for key, value in plan_attrs(plan).items():
        main = main.with_attr(key, value)
    return relay.transform.InferType()(with_main(mod, main))


class _Marks:
    """Wraps every layer output in ``flexpie.partition``; earlier marks are replaced."""

    def __init__(self, imported: Imported, choices: dict):
        self._ops = {call: op for op, call in imported.calls.items()}
        self._graph, self._choices = imported.graph, choices

    def change(self, old: relay.Expr, new: relay.Expr) -> relay.Expr:
        if isinstance(old, relay.TupleGetItem) and old.tuple_value in self._ops:
            return self._mark(self._graph.ops[self._ops[old.tuple_value]].outputs[old.index], new)
        if not isinstance(old, relay.Call):
            return new
        if old not in self._ops:
            return new.args[0]  # an earlier annotation
        outputs = self._graph.ops[self._ops[old]].outputs
        # A tuple is marked item by item, also a tuple of one (split into one part).
        return self._mark(outputs[0], new) if _is_tensor(old) else new

    def _mark(self, tensor: int, data: relay.Expr) -> relay.Expr:
        mark = self._choices.get(tensor)
        return data if mark is None else partition_op.annotate(data, *mark)


def _is_tensor(expr: relay.Expr) -> bool:
    return isinstance(expr.checked_type, tvm.ir.TensorType)
