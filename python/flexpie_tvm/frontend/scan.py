# SPDX-License-Identifier: Apache-2.0
"""``Scan`` as plain nodes: its rounds are as many as its inputs have elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .control_flow import ROUNDS, Body, append_body, copies, graph_of, stacked

#: A tensor's shape by its name, or None.
Shapes = Callable[[str], tuple[int, ...] | None]


def written_out_scan(
    node: onnx.NodeProto, shape_of: Shapes, prefix: str, opset: int
) -> Body | None:
    """All rounds of a ``Scan``; None if their number is not known, or each row has its own.

    Up to opset 8 all tensors begin with a batch, which is written out if it is one of one row.
    """
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.name != "body"}
    inside, count = graph_of(node, "body"), given["num_scan_inputs"]
    body, inputs, outputs = Body(), list(node.input), list(node.output)
    if opset < 9:
        sizes = [shape_of(name) for name in inputs[1:]]
        if inputs[0] or any(size is None or size[0] != 1 for size in sizes):
            return None
        given = {"scan_input_directions": given.get("directions", [])}
        inputs = [_first_row(body, name, prefix) for name in inputs[1:]]
        outputs = [name and f"{prefix}row/{name}" for name in outputs]
        shapes: Shapes = dict(zip(inputs, (size[1:] for size in sizes), strict=True)).get
    else:
        shapes = shape_of
    states, scanned = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
    axes = _given(given, "scan_input_axes", count)
    sizes = [shapes(name) for name in scanned]
    if any(size is None for size in sizes):
        return None
    rounds = sizes[0][axes[0]]
    if not 0 < rounds <= ROUNDS:
        return None
    rows = _rounds(body, inside, states, _Scanned(scanned, axes, given, rounds), prefix)
    states, found = rows
    body.nodes += copies(states, outputs[: len(states)])
    names = outputs[len(states) :]
    back = _given(given, "scan_output_directions", len(found))
    out_axes = _given(given, "scan_output_axes", len(found))
    for k, (name, values) in enumerate(zip(names, found, strict=False)):
        if name:
            ordered = values[::-1] if back[k] else values
            body.nodes += stacked(ordered, name, body.constants, opset, out_axes[k])
    if opset < 9:
        body.nodes += [
            helper.make_node("Unsqueeze", [row], [name], axes=[0])
            for row, name in zip(outputs, node.output, strict=True)
            if name
        ]
    return body


class _Scanned:
    """What is scanned: names, axes and directions, and for how many rounds."""

    def __init__(self, names: Sequence[str], axes: list[int], given: Mapping, rounds: int):
        self.names, self.axes, self.rounds = names, axes, rounds
        self.backwards = _given(given, "scan_input_directions", len(names))


def _rounds(
    body: Body, inside: onnx.GraphProto, states: Sequence[str], scanned: _Scanned, prefix: str
) -> tuple[list[str], list[list[str]]]:
    """Append every round; returns the last states, and each result's name in each round."""
    found: list[list[str]] = [[] for _ in inside.output[len(states) :]]
    for t in range(scanned.rounds):
        here, elements = f"{prefix}round{t}/", []
        for k, (name, axis) in enumerate(zip(scanned.names, scanned.axes, strict=True)):
            place = scanned.rounds - 1 - t if scanned.backwards[k] else t
            index, element = f"{here}index{k}", f"{here}element{k}"
            body.constants[index] = numpy_helper.from_array(np.array(place, "int64"), index)
            body.nodes.append(helper.make_node("Gather", [name, index], [element], axis=axis))
            elements.append(element)
        names = [v.name for v in inside.input]
        inner = append_body(body, inside, dict(zip(names, [*states, *elements], strict=True)), here)
        results = [inner[v.name] for v in inside.output]
        states = results[: len(states)]
        for values, value in zip(found, results[len(states) :], strict=True):
            values.append(value)
    return list(states), found


def _first_row(body: Body, name: str, prefix: str) -> str:
    row = f"{prefix}row/{name}"
    body.nodes.append(helper.make_node("Squeeze", [name], [row], axes=[0]))
    return row


def _given(given: Mapping[str, Any], name: str, count: int) -> list[int]:
    """A list of an attribute, zeros where it is left out."""
    return list(given.get(name, [])) or [0] * count
