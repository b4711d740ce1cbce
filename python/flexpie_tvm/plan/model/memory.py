# SPDX-License-Identifier: Apache-2.0
"""Memory that a plan takes on each board: its slices of the weights, and live activations.

While a layer runs, a board holds the layer's results and, of every tensor made before it,
what layers from here on read, and what a layer of many steps holds between them. The peak over
all layers counts.
"""

from __future__ import annotations

from ...graph import Graph, Region, hull
from .geometry import Geometry
from .plan import Plan


def memory_need(graph: Graph, geometry: Geometry) -> tuple[int, ...]:
    """Bytes per board: weights plus the peak of activations."""
    return tuple(
        weights_of(graph, geometry, board) + activation_peak(graph, geometry, board)
        for board in range(geometry.boards)
    )


def weights_of(graph: Graph, geometry: Geometry, board: int) -> int:
    """Bytes of constants that one board holds."""
    return sum(
        geometry.need[t.id][board].volume * t.itemsize
        for t in graph.tensors
        if t.kind == "constant"
    )


def activation_peak(graph: Graph, geometry: Geometry, board: int) -> int:
    """Bytes of activations that one board holds at most."""
    live: dict[int, Region] = {}
    peak = 0
    for layer in reversed(graph.layers):
        made = 0
        inside = {t for op in layer.ops for t in graph.ops[op].outputs}
        for tensor in layer.outputs:
            live.pop(tensor, None)
            tile = geometry.tiles[graph.producer[tensor]][board]
            held = geometry.need[tensor][board].volume
            made += max(held, tile.region.volume if tile else 0) * graph.tensors[tensor].itemsize
        for op in layer.ops:
            tile = geometry.tiles[op][board]
            made += graph.ops[op].attrs.get("working", 0) if tile else 0
            pairs = zip(graph.ops[op].inputs, tile.inputs, strict=True) if tile else ()
            for tensor, region in pairs:
                if tensor not in inside and graph.tensors[tensor].kind != "constant":
                    parts = [region, live.get(tensor, region)]
                    live[tensor] = hull(parts, region.rank)
        held = sum(region.volume * graph.tensors[t].itemsize for t, region in live.items())
        peak = max(peak, held + made)
    return peak


def memory_excess(graph: Graph, plan: Plan) -> int:
    """Bytes by which a plan exceeds the board that it fits worst; 0 if it fits everywhere."""
    if not plan.cluster.memory:
        return 0
    need = memory_need(graph, plan.geometry(graph))
    return max(0, *(n - have for n, have in zip(need, plan.cluster.memory, strict=True)))
