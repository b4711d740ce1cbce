# SPDX-License-Identifier: Apache-2.0
"""Layers as a ledger sees them: equal ones have one number, and tiles are walked once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ...graph import Graph, Layer, Op, Region, empty, hull
from ...rules import Tile, rule_for

NONE: Mapping[int, Tile | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LayerShape:
    """A layer as the ledger sees it: what it is, what it reads, what it gives."""

    layer: Layer
    kind: int
    reads: tuple[int, ...]


def walk(
    graph: Graph, layer: Layer, wanted: Sequence[Region], given: Mapping[int, Tile | None] = NONE
) -> tuple[dict[int, Tile | None], dict[int, Region]]:
    """Tiles of a layer's operators for regions of its outputs, and the regions it reads.

    Parameters
    ----------
    graph, layer : Graph, Layer
        The layer.
    wanted : sequence of Region
        What is wanted of each of its outputs.
    given : mapping
        Operator id -> tile that it has, whatever is wanted of it.

    Returns
    -------
    tiles : dict
        Operator id -> tile; None where nothing is computed.
    held : dict
        Tensor id -> region that is wanted or read.
    """
    held: dict[int, Region] = dict(zip(layer.outputs, wanted, strict=True))
    tiles: dict[int, Tile | None] = {}
    for number in reversed(layer.ops):
        op = graph.ops[number]
        if number in given:
            tile = given[number]
        else:
            tile = _whole_tile(op, [held.get(t) for t in op.outputs])
        tiles[number] = tile
        if tile is None:
            continue
        for tensor, region in zip(op.inputs, tile.inputs, strict=True):
            known = held.get(tensor)
            if known is None:
                held[tensor] = region
            elif known is not region and known != region:
                held[tensor] = hull((known, region), region.rank)
    return tiles, held


def _whole_tile(op: Op, regions: Sequence[Region | None]) -> Tile | None:
    for region in regions:
        if region is not None and not region.is_empty:
            first = regions[0] if regions[0] is not None else empty(len(op.out_shape))
            return rule_for(op).tile(op, first)
    return None


def shape_of(graph: Graph, layer: Layer, kinds: dict[Hashable, int], named: bool) -> LayerShape:
    """Number a layer by what it does; equal layers get the same number.

    Parameters
    ----------
    graph, layer : Graph, Layer
        The layer.
    kinds : dict
        What layers do -> number. A new one is added.
    named : bool
        Whether layers of different names are different.
    """
    local: dict[int, int] = {}
    reads: list[int] = []
    described: list[Hashable] = []
    for number in layer.ops:
        op = graph.ops[number]
        for tensor in op.inputs:
            if tensor not in local:
                local[tensor] = len(local)
                if graph.tensors[tensor].kind != "constant":
                    reads.append(tensor)
        wiring = tuple(local[t] for t in op.inputs)
        constant = tuple(graph.tensors[t].kind == "constant" for t in op.inputs)
        facts = tuple((graph.tensors[t].axes, graph.tensors[t].dtype)
                      for t in (*op.inputs, *op.outputs))
        for tensor in op.outputs:
            local[tensor] = len(local)
        described.append(
            (op.kind, repr(sorted(op.attrs.items())), op.in_shapes, op.out_shapes, wiring,
             constant, facts)
        )
    inside = {t for op in layer.ops for t in graph.ops[op].outputs}
    given = tuple(local[t] for t in layer.outputs)
    key = (tuple(described), given, layer.ops.index(layer.anchor), layer.name if named else "")
    return LayerShape(
        layer, kinds.setdefault(key, len(kinds)), tuple(t for t in reads if t not in inside)
    )
