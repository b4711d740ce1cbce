# SPDX-License-Identifier: Apache-2.0
"""Random legal plans: any mix of schemes, uneven splits, modes, partial results, topologies."""

from __future__ import annotations

from ..graph import Graph, Op, Tensor
from ..plan import TOPOLOGIES, Choice, ClusterSpec, Plan, Split
from ..rules import reducible_axes
from .choices import Choices

SCHEMES = ("InH", "InW", "OutC", "2D-grid", "Single")


def random_plan(graph: Graph, boards: int, choices: Choices) -> Plan:
    """Give every layer output mode T with a random split, or mode NT.

    Parameters
    ----------
    graph : Graph
        With its layers.
    boards : int
        Number of boards.
    choices : Choices
        Where decisions come from.
    """
    made = {}
    for layer in graph.layers:
        made.update(random_share(graph, graph.ops[layer.anchor], boards, choices))
        for tensor in layer.outputs:
            info = graph.tensors[tensor]
            if info.name in made:
                continue
            if tensor not in graph.outputs and choices.pick((False, False, True)):
                made[info.name] = Choice("NT")
            else:
                made[info.name] = random_choice(info, boards, choices)
    cluster = ClusterSpec(boards, topology=choices.pick(TOPOLOGIES))
    return Plan(cluster, made, "random")


def random_share(graph: Graph, op: Op, boards: int, choices: Choices) -> dict[str, Choice]:
    """Sometimes, where an operator reduces: partial results from random shares of its input."""
    axes = sorted(reducible_axes(op))
    if not axes or op.outputs[0] in graph.outputs or not choices.pick((False, False, True)):
        return {}
    axis = choices.pick(axes)
    split = Split((axis,), (_cuts(op.in_shapes[0][axis], boards, choices),))
    return {graph.tensors[op.outputs[0]].name: Choice("T", "InC", split)}


def random_choice(tensor: Tensor, boards: int, choices: Choices) -> Choice:
    """Mode T with a random scheme and random, often uneven cut points.

    Axes are cut whether or not the layer gets cheaper by it: that is legal, too.
    """
    kind = choices.pick(SCHEMES)
    axes = {
        "InH": (tensor.axes.h,),
        "InW": (tensor.axes.w,),
        "OutC": (tensor.axes.c,),
        "2D-grid": (tensor.axes.h, tensor.axes.w),
        "Single": (),
    }[kind]
    if None in axes or not axes:
        return Choice("T", "Single", Split((), ()))
    if kind != "2D-grid":
        return Choice("T", kind, Split(axes, (_cuts(tensor.shape[axes[0]], boards, choices),)))
    rows = choices.pick([n for n in range(1, boards + 1) if boards % n == 0])
    grid = (rows, boards // rows)
    cuts = tuple(
        _cuts(tensor.shape[axis], parts, choices) for axis, parts in zip(axes, grid, strict=True)
    )
    return Choice("T", f"2D-grid:{grid[0]}x{grid[1]}", Split(axes, cuts))


def _cuts(size: int, parts: int, choices: Choices) -> tuple[int, ...]:
    inner = sorted(choices.integer(0, size) for _ in range(parts - 1))
    return (0, *inner, size)
