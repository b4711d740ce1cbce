# SPDX-License-Identifier: Apache-2.0
"""An ONNX model in its plainest form, before anything is imported.

Nodes in order, without functions, branches, loops and whatever is computed of constants alone;
the type of every value as ONNX's own inference finds it.

1. functions of the model's own are inlined, nodes sorted;
2. each node in turn: checked against the standard; if it is a branch or a loop that is known
   beforehand, or an operator that the importer lacks and the standard writes by others, its nodes
   take its place; if all it reads is constant, its values do;
3. what no output needs is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx
from onnx import helper, inliner

from .canonical_walk import Walk
from .node_order import Step, in_order, needed_steps


@dataclass(frozen=True)
class Canonical:
    """What is to be imported.

    Parameters
    ----------
    graph : onnx.GraphProto
        The model's own graph: its inputs and outputs.
    steps : list of Step
        In order.
    constants : mapping
        Name -> value of everything that is known.
    types : mapping
        Name -> type, of what ONNX's inference knows.
    """

    graph: onnx.GraphProto
    steps: list[Step]
    constants: Mapping[str, onnx.TensorProto]
    types: Mapping[str, onnx.TypeProto]


def canonical(
    model: onnx.ModelProto,
    shapes: Mapping[str, tuple[int, ...]],
    imported: Callable[[Step], bool],
) -> Canonical:
    """Bring a model into its plainest form.

    Parameters
    ----------
    model : onnx.ModelProto
        As read; it is not changed.
    shapes : mapping
        Shape of every input.
    imported : callable
        Whether the importer knows a node's operator.

    Raises
    ------
    ModelError
        If a node is not what the standard allows, or a branch or loop depends on data.
    """
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    walk = Walk(model, imported)
    walk.add_constants({tensor.name: tensor for tensor in graph.initializer})
    for value in graph.input:
        if value.name not in walk.constants:
            elem = value.type.tensor_type.elem_type
            walk.types[value.name] = helper.make_tensor_type_proto(elem, shapes[value.name])
    for node in in_order(graph):
        walk.visit(Step(node, walk.opsets.get("", 1)))
    steps = list(needed_steps(walk.steps, [v.name for v in graph.output]))
    return Canonical(graph, steps, walk.constants, walk.types)
