# SPDX-License-Identifier: Apache-2.0
"""Nodes of an ONNX graph: how messages call them, and in which order they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import onnx

from ..errors import ModelError


@dataclass(frozen=True)
class Step:
    """A node, and the version of the standard that it follows.

    Parameters
    ----------
    node : onnx.NodeProto
        The node.
    opset : int
        Version.
    """

    node: onnx.NodeProto
    opset: int

    @property
    def text(self) -> str:
        """How messages call it."""
        return node_text(self.node)


def node_text(node: onnx.NodeProto) -> str:
    """Operator and name of a node (its first result's, if it has none)."""
    return f"{node.op_type} '{node.name or next(iter(node.output), '')}'"


def in_order(graph: onnx.GraphProto) -> Iterable[onnx.NodeProto]:
    """Nodes after what they read; as they stand wherever that is so already."""
    makers = {name: k for k, node in enumerate(graph.node) for name in node.output if name}
    needs = {
        k: [makers[name] for name in _read(node) if name in makers]
        for k, node in enumerate(graph.node)
    }
    if all(before < k for k, all_before in needs.items() for before in all_before):
        return graph.node
    try:
        return [graph.node[k] for k in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        names = ", ".join(node_text(graph.node[k]) for k in error.args[1])
        raise ModelError(f"nodes need each other: {names}") from None


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node reads, also those that graphs in its attributes read."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                yield from _read(inner)
            yield from (value.name for value in attribute.g.output)


def needed_steps(steps: list[Step], outputs: list[str]) -> Iterator[Step]:
    """The steps that lead to an output, in order."""
    needed, kept = set(outputs), []
    for step in reversed(steps):
        if needed.intersection(step.node.output):
            kept.append(step)
            needed.update(_read(step.node))
    return reversed(kept)
