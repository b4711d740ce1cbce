# SPDX-License-Identifier: Apache-2.0
"""The plan that an annotated module carries."""

from __future__ import annotations

import json

import tvm

from ..errors import PlanError
from ..plan import ClusterSpec, Plan
from .importer import Imported, import_module


def plan_attrs(plan: Plan) -> dict[str, object]:
    """Function attributes for what no single layer says."""
    return {
        "flexpie.boards": plan.boards,
        "flexpie.scheme": plan.scheme,
        "flexpie.cluster": json.dumps(plan.cluster.to_json()),
        "flexpie.notes": json.dumps(dict(plan.notes)),
    }


def read_plan(mod: tvm.IRModule) -> tuple[Imported, Plan]:
    """The layer graph of an annotated module, and the plan in its annotations.

    Raises
    ------
    PlanError
        If the module is not annotated, or a layer is not.
    """
    attrs = mod["main"].attrs
    if attrs is None or "flexpie.boards" not in attrs.keys():
        raise PlanError("the module is not annotated: run FlexPiePartition() on it first")
    imported = import_module(mod)
    tensors = imported.graph.tensors
    choices = {tensors[t].name: choice for t, choice in imported.choices.items()}
    for layer in imported.graph.layers:
        for tensor in layer.outputs:
            if tensor not in imported.choices:
                raise PlanError(
                    f"layer {layer.name} is not annotated: run FlexPiePartition() as the last pass"
                )
    boards = int(attrs["flexpie.boards"])
    cluster = ClusterSpec(boards)
    if "flexpie.cluster" in attrs.keys():
        cluster = ClusterSpec.from_json(json.loads(str(attrs["flexpie.cluster"])))
    notes = json.loads(str(attrs["flexpie.notes"])) if "flexpie.notes" in attrs.keys() else {}
    return imported, Plan(cluster, choices, str(attrs["flexpie.scheme"]), notes)
