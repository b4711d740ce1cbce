# SPDX-License-Identifier: Apache-2.0
"""Plan -> annotated IRModule."""

from __future__ import annotations

import tvm
from tvm import relay

from ..plan import Plan, chosen_tensors
from . import partition_op
from .annotations import plan_attrs
from .importer import Imported
from .rewrite import rewrite, with_main


def annotate(imported: Imported, plan: Plan) -> tvm.IRModule:
    """The module with a plan for it written into it.

    Parameters
    ----------
    imported : Imported
        The module and its layers; annotations that it has are replaced.
    plan : Plan
        With a choice for every layer (`plan.fitted`).
    """
    graph, choices = imported.graph, {}
    for layer in graph.layers:
        anchor = graph.ops[layer.anchor]
        for tensor in chosen_tensors(graph, layer, plan):
            choice = plan.choices[graph.tensors[tensor].name]
            choices[tensor] = (layer.name, anchor.kind, choice)
    marks, old = _Marks(imported, choices), imported.main
    main = relay.Function(
        old.params, rewrite(old.body, marks.change), None, old.type_params, old.attrs
    )
    for key, value in plan_attrs(plan).items():
        main = main.with_attr(key, value)
    return relay.transform.InferType()(with_main(imported.module, main))


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
