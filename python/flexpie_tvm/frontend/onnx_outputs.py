# SPDX-License-Identifier: Apache-2.0
"""Which tensors an ONNX model gives: an earlier end, or a look at every tensor on the way."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

import onnx

from ..errors import ModelError

#: Tensors that can be compared with a tolerance.
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)


def ending_at(model: onnx.ModelProto, names: Sequence[str], path: str) -> onnx.ModelProto:
    """A model whose outputs are tensors of another one, with what these need and nothing else.

    Parameters
    ----------
    model : onnx.ModelProto
        Stays as it is.
    names : sequence of str
        Tensors, in the order of the outputs.
    path : str
        Of the model, for errors.

    Raises
    ------
    ModelError
        If there is no such tensor.
    """
    known = _tensors(model)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3) or list(_names(model.graph.output))
            raise ModelError(
                f"--outputs {name}: '{path}' has no such tensor; near: {', '.join(near)}"
            )
    kept = onnx.ModelProto()
    kept.CopyFrom(model)
    nodes, needed = _needed(kept.graph, names)
    types = _types(kept)
    _replace(kept.graph.node, nodes)
    _replace(kept.graph.input, [v for v in model.graph.input if v.name in needed])
    _replace(kept.graph.initializer, [w for w in model.graph.initializer if w.name in needed])
    sparse = [w for w in model.graph.sparse_initializer if w.values.name in needed]
    _replace(kept.graph.sparse_initializer, sparse)
    _replace(kept.graph.output, [types.get(name, _untyped(name)) for name in names])
    return kept


def compared_tensors(model: onnx.ModelProto) -> list[tuple[str, str]]:
    """Floating-point tensors that depend on an input, in the order of the graph.

    Returns
    -------
    tensors : list of (str, str)
        Name, and the node that makes it as it is told: ``Conv 'conv_1'``.
    """
    weights = {w.name for w in model.graph.initializer}
    types = _types(model)
    alive = {value.name for value in model.graph.input} - weights
    found = []
    for node in model.graph.node:
        if not alive & set(_reads(node)):
            continue
        alive |= set(node.output)
        for name in filter(None, node.output):
            if name in types and types[name].type.tensor_type.elem_type in FLOATS:
                found.append((name, f"{node.op_type} '{node.name or node.output[0]}'"))
    return found


def _needed(graph: onnx.GraphProto, names: Iterable[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that tensors depend on, in order, and all tensors that they read."""
    needed, nodes = set(names), []
    for node in reversed(graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(_reads(node))
    return nodes[::-1], needed


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, also inside its branches and loop bodies."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                yield from _reads(inner)
            yield from (value.name for value in graph.output)


def _tensors(model: onnx.ModelProto) -> list[str]:
    made = [name for node in model.graph.node for name in node.output if name]
    return [*made, *_names(model.graph.input)]


def _types(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """What ONNX's own inference knows of tensors; they may have no shape."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # too large for it, or odd: what the file says
        graph = model.graph
    return {value.name: value for value in [*graph.input, *graph.value_info, *graph.output]}


def _untyped(name: str) -> onnx.ValueInfoProto:
    return onnx.ValueInfoProto(name=name)


def _names(values: Iterable[onnx.ValueInfoProto]) -> Iterator[str]:
    return (value.name for value in values)


def _replace(field, values: Sequence) -> None:
    kept = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(kept)
