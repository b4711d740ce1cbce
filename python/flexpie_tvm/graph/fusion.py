# SPDX-License-Identifier: Apache-2.0
"""Group operators into layers, the way a compiler fuses them into one kernel.

1. Every operator that is not pointwise anchors a layer.
2. From the layer's last operator, take its immediate post-dominator. If every operator on
   the way there is pointwise and keeps the shape, all of them join the layer; repeat.
3. Pointwise operators that are left (behind a tensor that several layers read) start
   layers of their own, extended in the same way.

Post-dominators make ``x * clip(x + 3, 0, 6) / 6`` part of the convolution that makes
``x`` although ``x`` has two readers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .graph import Graph, Layer, Op


def fuse_layers(graph: Graph, is_pointwise: Callable[[Op], bool]) -> Graph:
    """Return the graph with its layers.

    Parameters
    ----------
    graph : Graph
        A graph without layers.
    is_pointwise : callable
        True for an operator whose output element depends on the same element of its
        (broadcast) inputs only.

    Returns
    -------
    graph : Graph
        The same operators and tensors; every operator is in one layer, layers in topological order.
    """
    post = _post_dominators(graph)
    owner: dict[int, int] = {}
    groups: dict[int, list[int]] = {}
    pointwise = {op.id: is_pointwise(op) for op in graph.ops}
    anchors = [op.id for op in reversed(graph.ops) if not pointwise[op.id]]
    # Later anchors first: a residual add joins the branch that is computed last.
    for start in anchors:
        groups[start] = _grow(graph, start, post, pointwise, owner)
    for op in graph.ops:
        if op.id not in owner:
            groups[op.id] = _grow(graph, op.id, post, pointwise, owner)
    ordered = sorted(groups.items(), key=lambda item: max(item[1]))
    layers = tuple(
        Layer(
            id=index,
            name=graph.ops[anchor].name,
            anchor=anchor,
            ops=tuple(sorted(members)),
            outputs=_outputs(graph, set(members)),
        )
        for index, (anchor, members) in enumerate(ordered)
    )
    return replace(graph, layers=layers)


def _grow(
    graph: Graph,
    start: int,
    post: list[int | None],
    pointwise: dict[int, bool],
    owner: dict[int, int],
) -> list[int]:
    members, last = [start], start
    owner[start] = start
    while len(graph.ops[last].outputs) == 1:
        stop = post[last]
        if stop is None:
            break
        way = _between(graph, last, stop)
        shape = graph.ops[last].out_shape
        if way is None or any(
            op in owner or not pointwise[op] or graph.ops[op].out_shape != shape for op in way
        ):
            break
        members.extend(way)
        owner.update((op, start) for op in way)
        last = stop
    return members


def _between(graph: Graph, first: int, stop: int, limit: int = 16) -> list[int] | None:
    """Operators on the ways from ``first`` to ``stop`` (included); None if more than limit."""
    found: set[int] = set()
    todo = [first]
    while todo:
        op = todo.pop()
        for user in graph.users(graph.ops[op].outputs[0]):
            if user not in found:
                found.add(user)
                if len(found) > limit or len(graph.ops[user].outputs) != 1:
                    return None
                if user != stop:
                    todo.append(user)
    return sorted(found)


def _post_dominators(graph: Graph) -> list[int | None]:
    """Immediate post-dominator of each operator; None stands for the graph's end."""
    post: list[int | None] = [None] * len(graph.ops)
    depth = [0] * len(graph.ops)
    results = set(graph.outputs)
    for op in reversed(graph.ops):
        users = [u for t in op.outputs for u in graph.users(t)]
        if not users or results.intersection(op.outputs):
            depth[op.id] = 1
            continue
        meet: int | None = users[0]
        for user in users[1:]:
            meet = _meet(meet, user, post, depth)
        post[op.id] = meet
        depth[op.id] = 1 if meet is None else depth[meet] + 1
    return post


def _meet(a: int | None, b: int | None, post: list[int | None], depth: list[int]) -> int | None:
    while a != b:
        if a is None or b is None:
            return None
        if depth[a] < depth[b]:
            b = post[b]
        else:
            a = post[a]
    return a


def _outputs(graph: Graph, members: set[int]) -> tuple[int, ...]:
    results = set(graph.outputs)
    return tuple(
        t
        for op in sorted(members)
        for t in graph.ops[op].outputs
        if t in results or not set(graph.users(t)) <= members
    )
