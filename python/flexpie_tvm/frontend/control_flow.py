# SPDX-License-Identifier: Apache-2.0
"""Branches whose condition and loops whose number of rounds is known, as plain nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .functions import rename_inside, renamed

#: The value of a constant by its name, or None.
Lookup = Callable[[str], np.ndarray | None]
#: A network whose loops are longer than this is not one that is written out.
ROUNDS = 1024


@dataclass
class Body:
    """Nodes in the place of another, and the constants that they read.

    Parameters
    ----------
    nodes : list of onnx.NodeProto
        In order.
    constants : dict
        Name -> value.
    """

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)


def written_out_branch(node: onnx.NodeProto, lookup: Lookup, prefix: str) -> Body | None:
    """The branch that an ``If`` takes; None if its condition is not a constant."""
    condition = lookup(node.input[0])
    if condition is None:
        return None
    taken = graph_of(node, "then_branch" if bool(np.ravel(condition)[0]) else "else_branch")
    body = Body()
    inner = append_body(body, taken, {}, prefix)
    body.nodes += copies([inner[v.name] for v in taken.output], list(node.output))
    return body


def both_branches(node: onnx.NodeProto, prefix: str) -> Body:
    """Both branches of an ``If``, and the choice between their results, element by element.

    It stands for the node only if both give the same shapes, which whoever appends it has to see
    to: each pair of results is an input of a ``Where`` with the node's own result.
    """
    body, results = Body(), []
    for name in ("then_branch", "else_branch"):
        branch = graph_of(node, name)
        inner = append_body(body, branch, {}, f"{prefix}{name}/")
        results.append([inner[v.name] for v in branch.output])
    condition, shape = f"{prefix}condition", f"{prefix}no_axes"
    body.constants[shape] = numpy_helper.from_array(np.zeros(0, "int64"), shape)
    body.nodes.append(helper.make_node("Reshape", [node.input[0], shape], [condition]))
    for yes, no, name in zip(*results, node.output, strict=True):
        if name:
            body.nodes.append(helper.make_node("Where", [condition, yes, no], [name]))
    return body


def written_out_loop(node: onnx.NodeProto, lookup: Lookup, prefix: str, opset: int) -> Body | None:
    """All rounds of a ``Loop``; None if their number is not known before it runs."""
    rounds = lookup(node.input[0]) if node.input[0] else None
    first = node.input[1] if len(node.input) > 1 else ""
    going = lookup(first) if first else np.array(True)
    if rounds is None or going is None or int(rounds.ravel()[0]) > ROUNDS:
        return None
    inside = graph_of(node, "body")
    if not _goes_on(inside):
        return None
    count = int(rounds.ravel()[0]) if bool(going.ravel()[0]) else 0
    carried = list(node.input[2:])
    scans: list[list[str]] = [[] for _ in inside.output[1 + len(carried) :]]
    body = Body()
    for k in range(count):
        here = f"{prefix}round{k}/"
        number, goes = f"{here}number", f"{here}goes"
        body.constants[number] = numpy_helper.from_array(np.array(k, "int64"), number)
        body.constants[goes] = numpy_helper.from_array(np.array(True), goes)
        names = [v.name for v in inside.input]
        inner = append_body(
            body, inside, dict(zip(names, [number, goes, *carried], strict=True)), here
        )
        results = [inner[v.name] for v in inside.output[1:]]
        carried = results[: len(carried)]
        for scan, value in zip(scans, results[len(carried) :], strict=True):
            scan.append(value)
    if count == 0 and scans:
        return None
    body.nodes += copies(carried, list(node.output[: len(carried)]))
    for name, values in zip(node.output[len(carried) :], scans, strict=False):
        if name:
            body.nodes += stacked(values, name, body.constants, opset)
    return body


def graph_of(node: onnx.NodeProto, name: str) -> onnx.GraphProto:
    """One of a node's graphs."""
    return next(a.g for a in node.attribute if a.name == name)


def _goes_on(body: onnx.GraphProto) -> bool:
    """True if a loop's body never ends the loop by its condition."""
    given, result = body.input[1].name, body.output[0].name
    made = {name: node for node in body.node for name in node.output}
    while result in made and made[result].op_type == "Identity":
        result = made[result].input[0]
    if result == given:
        return True
    constants = {v.name: numpy_helper.to_array(v) for v in body.initializer}
    if result in made and made[result].op_type == "Constant":
        constants[result] = numpy_helper.to_array(made[result].attribute[0].t)
    return result in constants and bool(constants[result].all())


def append_body(
    body: Body, graph: onnx.GraphProto, bound: Mapping[str, str], prefix: str
) -> dict[str, str]:
    """Add a graph's nodes, with names of their own; returns name inside -> name outside."""
    own = {v.name for v in graph.initializer} | {n for node in graph.node for n in node.output}
    names = {name: renamed(name, bound, prefix) for name in own if name} | dict(bound)
    for value in graph.initializer:
        body.constants[names[value.name]] = value
    for node in graph.node:
        body.nodes.append(_with_names(node, names, prefix))
    outside = {v.name: v.name for v in graph.output if v.name not in names}
    return names | outside


def _with_names(node: onnx.NodeProto, names: Mapping[str, str], prefix: str) -> onnx.NodeProto:
    made = onnx.NodeProto()
    made.CopyFrom(node)
    made.name = prefix + (node.name or node.op_type)
    for values in (made.input, made.output):
        values[:] = [names.get(name, name) for name in values]
    for attribute in made.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            rename_inside(attribute.g, names)
    return made


def copies(sources: list[str], targets: list[str]) -> list[onnx.NodeProto]:
    """Other names for values; none where a target has no name."""
    return [
        helper.make_node("Identity", [source], [target])
        for source, target in zip(sources, targets, strict=False)
        if target
    ]


def stacked(
    values: list[str],
    name: str,
    constants: dict[str, onnx.TensorProto],
    opset: int,
    axis: int = 0,
) -> list[onnx.NodeProto]:
    """Values of all rounds along a new axis, the first by default."""
    rows = [f"{name}/row{k}" for k in range(len(values))]
    axes, options = [], {"axes": [axis]}
    if opset >= 13:  # axes are an input since then
        axes, options = [f"{name}/axes"], {}
        constants[axes[0]] = numpy_helper.from_array(np.array([axis], "int64"), axes[0])
    nodes = [
        helper.make_node("Unsqueeze", [value, *axes], [row], **options)
        for value, row in zip(values, rows, strict=True)
    ]
    return [*nodes, helper.make_node("Concat", rows, [name], axis=axis)]
