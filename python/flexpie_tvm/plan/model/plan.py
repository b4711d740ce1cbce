# SPDX-License-Identifier: Apache-2.0
"""A plan: scheme, split and mode for every layer. Plain data; `plan_file` is its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import PlanError
from ...graph import Graph, Layer, Region, Tensor
from ...rules import reducible_axes, rule_for
from .cluster import ClusterSpec
from .geometry import Geometry, derive
from .scheme import Split


@dataclass(frozen=True, slots=True)
class Choice:
    """What a plan says about one tensor that leaves its layer.

    ``mode`` is ``T`` (each board computes the cells it owns, then boards exchange) or ``NT``
    (each board computes what its own consumers need; scheme and split do not matter).

    Scheme ``InC`` is mode T with partial results: the split cuts the first input of the
    operator that makes the tensor, along axes that the operator sums (or takes the maximum)
    over, and the exchange combines what the boards made of their shares.

    Parameters
    ----------
    mode : {"T", "NT"}
        Whether boards exchange the tensor.
    scheme : str
        Name of the scheme; empty for NT.
    split : Split
        Where it is cut; without axes one board has all.
    """

    mode: str
    scheme: str = ""
    split: Split = field(default_factory=lambda: Split((), ()))

    @property
    def is_partial(self) -> bool:
        """True for partial results."""
        return self.mode == "T" and self.scheme == "InC"


@dataclass(frozen=True)
class Plan:
    """Choices for every layer output of a graph, on a cluster.

    Parameters
    ----------
    cluster : ClusterSpec
        The boards it is made for.
    choices : mapping
        Tensor name -> Choice.
    scheme : str
        The way of cutting that was asked for.
    notes : mapping
        What the planner has to say about it (predicted latency, gap, ...).
    """

    cluster: ClusterSpec
    choices: Mapping[str, Choice]
    scheme: str
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def boards(self) -> int:
        """Number of boards."""
        return self.cluster.boards

    def owned(self, graph: Graph) -> dict[int, tuple[Region, ...]]:
        """The regions per board of every T tensor that is not made of partial results.

        Parameters
        ----------
        graph : Graph
            The model's layers.

        Raises
        ------
        PlanError
            If the plan is for another model.
        """
        return {
            tensor.id: self._boxes(tensor.name, choice, tensor.shape)
            for tensor, choice in self._tensors(graph)
            if choice.mode == "T" and not choice.is_partial
        }

    def shares(self, graph: Graph) -> dict[int, tuple[Region, ...]]:
        """Each board's share of the input behind every tensor made of partial results.

        Parameters
        ----------
        graph : Graph
            The model's layers.

        Raises
        ------
        PlanError
            If the plan is for another model.
        """
        shares: dict[int, tuple[Region, ...]] = {}
        for tensor, choice in self._tensors(graph):
            if choice.is_partial:
                op = graph.ops[graph.producer[tensor.id]]
                if not set(choice.split.axes) <= reducible_axes(op):
                    raise PlanError(f"{op.name} cannot make partial results along {choice.split}")
                shares[tensor.id] = self._boxes(tensor.name, choice, op.in_shapes[0])
        return shares

    def geometry(self, graph: Graph) -> Geometry:
        """All regions and exchanges of this plan.

        Parameters
        ----------
        graph : Graph
            The model's layers.
        """
        return derive(graph, self.owned(graph), self.boards, self.shares(graph))

    def _boxes(self, name: str, choice: Choice, shape: Sequence[int]) -> tuple[Region, ...]:
        """The regions of a choice, each board's; errors name the layer's output."""
        try:
            return choice.split.owned(shape, self.boards)
        except PlanError as error:
            raise PlanError(f"{name}: {error}") from None

    def _tensors(self, graph: Graph) -> list[tuple[Tensor, Choice]]:
        by_name = {t.name: t for t in graph.tensors}
        missing = [name for name in self.choices if name not in by_name]
        if missing:
            raise PlanError(f"plan is for another model: it has no tensor '{missing[0]}'")
        return [(by_name[name], choice) for name, choice in self.choices.items()]


def fitted(plan: Plan, graph: Graph) -> Plan:
    """A plan with choices for a graph's layers and for nothing else.

    Parameters
    ----------
    plan : Plan
        Possibly of a model that was fused otherwise.
    graph : Graph
        The model's layers.

    Raises
    ------
    PlanError
        If the plan is for another model: it names what the graph does not have, or leaves a layer
        out.
    """
    plan.owned(graph)
    choices: dict[str, Choice] = {}
    for layer in graph.layers:
        for tensor in chosen_tensors(graph, layer, plan):
            name = graph.tensors[tensor].name
            if name not in plan.choices:
                raise PlanError(f"plan is for another model: it says nothing about '{name}'")
            choices[name] = plan.choices[name]
    return replace(plan, choices=choices)


def layer_cuttable(graph: Graph, layer: Layer) -> frozenset[int]:
    """The axes of a layer's output that every operator of the layer can be cut along.

    Parameters
    ----------
    graph : Graph
        The model's layers.
    layer : Layer
        One of them; one with several results at its anchor has no such axes.
    """
    if len(graph.ops[layer.anchor].outputs) != 1:
        return frozenset()
    first, *others = [rule_for(graph.ops[op]).cuttable(graph.ops[op]) for op in layer.ops]
    return first.intersection(*others)


def chosen_tensors(graph: Graph, layer: Layer, plan: Plan) -> list[int]:
    """A layer's tensors that a plan speaks of: its outputs, and partial results inside it.

    Parameters
    ----------
    graph : Graph
        The model's layers.
    layer : Layer
        One of them.
    plan : Plan
        Tells which tensors inside the layer are partial results.
    """
    made = [t for op in layer.ops for t in graph.ops[op].outputs]
    return [t for t in made if t in layer.outputs or graph.tensors[t].name in plan.choices]
