# SPDX-License-Identifier: Apache-2.0
"""Operators that the ONNX standard defines by other operators, written out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx


def body_of(
    node: onnx.NodeProto, opset: int, types: Sequence[onnx.TypeProto]
) -> onnx.FunctionProto | None:
    """What the standard says that an operator stands for; None for one that stands for itself.

    Parameters
    ----------
    node : onnx.NodeProto
        A node of the standard's domain.
    opset : int
        The version of the standard that it follows.
    types : sequence of onnx.TypeProto
        Types of its inputs (an empty one for an input that is left out).
    """
    if not onnx.defs.has(node.op_type, opset, node.domain):
        return None
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    if schema.has_function:
        versions = [v for v in schema.function_opset_versions if v <= opset]
        found = schema.get_function_with_opset_version(max(versions)) if versions else b""
    elif schema.has_context_dependent_function:
        versions = [v for v in schema.context_dependent_function_opset_versions if v <= opset]
        found = (
            schema.get_context_dependent_function_with_opset_version(
                max(versions), node.SerializeToString(), [t.SerializeToString() for t in types]
            )
            if versions
            else b""
        )
    else:
        return None
    return onnx.FunctionProto.FromString(found) if found else None


def written_out(
    node: onnx.NodeProto, function: onnx.FunctionProto, prefix: str
) -> list[onnx.NodeProto]:
    """A function's nodes in the place of a call of it.

    Parameters
    ----------
    node : onnx.NodeProto
        The call.
    function : onnx.FunctionProto
        What it stands for.
    prefix : str
        Begins the names of values inside.
    """
    names = dict(zip(function.input, list(node.input), strict=False))
    names |= dict.fromkeys(function.input[len(node.input) :], "")
    names |= {
        inner: outer for inner, outer in zip(function.output, node.output, strict=False) if outer
    }
    values = {*function.input, *(name for inner in function.node for name in inner.output)}
    inside = {name: renamed(name, names, prefix) for name in values if name}
    given = _defaults(node, function) | {a.name: a for a in node.attribute}
    nodes = []
    for k, inner in enumerate(function.node):
        made = onnx.NodeProto()
        made.CopyFrom(inner)
        made.name = f"{prefix}{k}"
        for side in (made.input, made.output):
            side[:] = [renamed(name, names, prefix) for name in side]
        del made.attribute[:]
        for attribute in inner.attribute:
            if not attribute.ref_attr_name:
                made.attribute.append(attribute)
            elif attribute.ref_attr_name in given:
                bound = made.attribute.add()
                bound.CopyFrom(given[attribute.ref_attr_name])
                bound.name = attribute.name
        for attribute in made.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                rename_inside(attribute.g, inside)
        nodes.append(made)
    return nodes


def renamed(name: str, names: Mapping[str, str], prefix: str) -> str:
    """A value's name outside of a body; a value that is only inside gets a prefix."""
    return names.get(name, prefix + name if name else "")


def rename_inside(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename what a graph inside a node reads from around it."""
    own = {v.name for v in [*graph.initializer, *graph.input]}
    own |= {n for node in graph.node for n in node.output}
    outer = {a: b for a, b in names.items() if a not in own}
    for node in graph.node:
        node.input[:] = [outer.get(name, name) for name in node.input]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                rename_inside(attribute.g, outer)
    for value in graph.output:
        value.name = outer.get(value.name, value.name)


def _defaults(node: onnx.NodeProto, function: onnx.FunctionProto) -> dict[str, onnx.AttributeProto]:
    found = {a.name: a for a in function.attribute_proto}
    version = max((o.version for o in function.opset_import if o.domain == node.domain), default=1)
    if onnx.defs.has(node.op_type, version, node.domain):
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        for name, attribute in schema.attributes.items():
            if attribute.default_value.name:
                found.setdefault(name, attribute.default_value)
    return found
