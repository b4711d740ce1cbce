# SPDX-License-Identifier: Apache-2.0
"""A board's exchange table: what the native runtime is told (see exchange_table.h)."""

from __future__ import annotations

from ..graph import Tensor
from ..plan import Exchange, Geometry, Routes, routes_of
from ..relay import Lowered


def exchange_table(lowered: Lowered, board: int) -> dict:
    """All exchanges that a board takes part in, and the bytes that it sends and passes on."""
    graph, geometry = lowered.imported.graph, lowered.geometry
    routes = routes_of(lowered.plan.cluster)
    layer_of = {t: layer.name for layer in graph.layers for t in layer.outputs}
    entries, sent, forwarded = [], 0, 0
    for exchange in geometry.exchanges:
        if not routes.meets(exchange, board):
            continue
        tensor = graph.tensors[exchange.tensor]
        links = link_entries(exchange, routes, tensor.itemsize, board)
        sent += sum(m.region.volume for m in exchange.sends(board)) * tensor.itemsize
        forwarded += sum(relay["bytes"] for relay in links["relays"])
        entries.append(
            {
                "id": exchange.id,
                "name": tensor.name,
                "layer": layer_of.get(tensor.id, tensor.name),
                "dtype": tensor.dtype,
                "combine": exchange.combine,
                **_boxes(exchange, geometry, tensor, board),
                **links,
            }
        )
    return {
        "rank": board,
        "boards": geometry.boards,
        "topology": routes.topology,
        "bytes_sent": sent,
        "bytes_forwarded": forwarded,
        "exchanges": entries,
    }


def link_entries(exchange: Exchange, routes: Routes, itemsize: int, board: int) -> dict:
    """What crosses a board's links in an exchange: ``sends``, ``recvs`` and ``relays``."""
    sends, recvs = [], []
    for m in exchange.sends(board):
        path = routes.path(m.source, m.target)
        sends.append({"peer": m.target, "region": m.region.to_json(), "via": path[1]})
    for m in exchange.receives(board):
        path = routes.path(m.source, m.target)
        where = {"via": path[-2], "hops": len(path) - 1}
        recvs.append({"peer": m.source, "region": m.region.to_json(), **where})
    relays = [
        {
            "source": relay.message.source,
            "target": relay.message.target,
            "bytes": relay.message.region.volume * itemsize,
            "from": relay.before,
            "to": relay.after,
            "hops": relay.hops,
        }
        for relay in routes.relays(exchange, board)
    ]
    return {"sends": sends, "recvs": recvs, "relays": relays}


def _boxes(exchange: Exchange, geometry: Geometry, tensor: Tensor, board: int) -> dict:
    """What goes in and comes out; nothing on a board that only passes messages on."""
    if not exchange.sends(board) and not exchange.receives(board):
        return {"in": None, "out": None}
    owned, held = geometry.owned[tensor.id][board], geometry.need[tensor.id][board]
    return {
        "in": None if owned.is_empty else owned.to_json(),
        "out": None if held.is_empty else held.to_json(),
    }
