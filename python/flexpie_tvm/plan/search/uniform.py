# SPDX-License-Identifier: Apache-2.0
"""The same scheme for every layer, every layer in mode T."""

from __future__ import annotations

from ...graph import Graph, Layer, Op
from ...rules import contracted_axis, reducible_axes
from ..model.cluster import ClusterSpec
from ..model.plan import Choice, Plan, layer_cuttable
from ..model.scheme import KINDS, Scheme, Split, cut_points, parse_scheme, split_for

PARTIAL = "InC"
UNIFORM = (*KINDS, PARTIAL)


def uniform_plan(
    graph: Graph, cluster: ClusterSpec, scheme: str, partial_results: bool = False
) -> Plan:
    """A plan that cuts every layer in one way.

    With ``InC`` convolutions and matrix products sum over shares of their input channels,
    and everything is owned by output channels, so that each board already has its share.

    Parameters
    ----------
    graph : Graph
        With layers.
    cluster : ClusterSpec
        The boards.
    scheme : str
        ``InH``, ``InW``, ``OutC``, ``2D-grid``, ``2D-grid:RxC``, ``Single`` or ``InC``.
    partial_results : bool
        Whether a reduction over axes that the scheme cuts (a global pool under ``InH``) is
        made of the boards' partial results, instead of gathering the whole map. Fewer bytes,
        but sums in another order than one board's: answers differ in the last digits.

    Raises
    ------
    PlanError
        If the scheme is unknown or does not fit the number of boards.
    """
    by_inputs = scheme == PARTIAL
    parsed = parse_scheme("OutC" if by_inputs else scheme, cluster.boards)
    choices: dict[str, Choice] = {}
    for layer in graph.layers:
        anchor = graph.ops[layer.anchor]
        share = Split((), ())
        if by_inputs:
            share = _contracted_share(anchor, cluster)
        elif partial_results:
            share = _reduced_share(graph, anchor, parsed, cluster)
        if share.axes and not set(anchor.outputs) & set(graph.outputs):
            made = graph.tensors[anchor.outputs[0]].name
            choices[made] = Choice("T", PARTIAL, share)
        choices.update(_owned(graph, layer, parsed, cluster, choices))
    return Plan(cluster, choices, scheme if by_inputs else str(parsed))


def _owned(
    graph: Graph, layer: Layer, scheme: Scheme, cluster: ClusterSpec, taken: dict[str, Choice]
) -> dict[str, Choice]:
    """Choices for the layer's outputs that are not partial results already."""
    cuttable = layer_cuttable(graph, layer)
    choices: dict[str, Choice] = {}
    for tensor in (graph.tensors[t] for t in layer.outputs):
        if tensor.name not in taken:
            split = split_for(scheme, tensor, cuttable, cluster.shares)
            choices[tensor.name] = Choice("T", str(scheme) if split.axes else "Single", split)
    return choices


def _contracted_share(anchor: Op, cluster: ClusterSpec) -> Split:
    axis = contracted_axis(anchor)
    if axis is None or axis not in reducible_axes(anchor):
        return Split((), ())
    return Split((axis,), (cut_points(anchor.in_shapes[0][axis], cluster.shares),))


def _reduced_share(graph: Graph, anchor: Op, scheme: Scheme, cluster: ClusterSpec) -> Split:
    axes = reducible_axes(anchor) - {contracted_axis(anchor)}
    if not axes:
        return Split((), ())
    return split_for(scheme, graph.tensors[anchor.inputs[0]], axes, cluster.shares)
