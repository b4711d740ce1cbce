# SPDX-License-Identifier: Apache-2.0
"""In which order boards are left out where fewer than all may be faster."""

from __future__ import annotations

from ...cost import Cost
from ...graph import Graph
from ..model.cluster import ClusterSpec
from ..model.geometry import derive
from ..model.scheme import Split
from ..predict.facts import BoardFigures
from ..predict.work import board_figures, tile_work

Orders = tuple[tuple[int, ...], ...]


def orders_of(cluster: ClusterSpec) -> Orders:
    """Ranks from the board to keep longest to the one to leave out first.

    One order by speed and, where links differ, one by links.
    """
    return tuple(dict.fromkeys((cluster.by_speed, cluster.by_link)))


def predicted_orders(graph: Graph, cluster: ClusterSpec, cost: Cost) -> Orders:
    """`orders_of`, with boards of several kinds by their predicted time for the whole model."""
    if len(set(cluster.kinds)) < 2:
        return orders_of(cluster)
    alone = {
        t: Split((), ()).owned(graph.tensors[t].shape, 1)
        for layer in graph.layers
        for t in layer.outputs
    }
    tiles = derive(graph, alone, 1).tiles
    known: dict[BoardFigures, float] = {}
    for rank in range(cluster.boards):
        figures = board_figures(cluster, rank)
        if figures not in known:
            works = [
                tile_work(graph, layer, {op: tiles[op][0] for op in layer.ops}, figures,
                          cost.per_layer)
                for layer in graph.layers
            ]
            known[figures] = float(cost.compute([w for w in works if w is not None]).sum())
    times = [known[board_figures(cluster, rank)] for rank in range(cluster.boards)]
    return tuple(dict.fromkeys((cluster.sorted_by(times), cluster.by_link)))
