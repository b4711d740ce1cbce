# SPDX-License-Identifier: Apache-2.0
"""Lower bounds of what each layer costs in any plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...cost import Cost
from ...graph import Graph, Op, Region, whole
from ...rules import rule_for
from ..model.cluster import ClusterSpec
from ..model.geometry import Geometry, derive
from ..predict.facts import BoardFigures
from ..predict.work import tile_work

Gaps = tuple[int, ...]


@dataclass(frozen=True)
class Floors:
    """Milliseconds of latency below which no plan gets.

    Parameters
    ----------
    compute : tuple of float
        Of each layer's tiles.
    host : mapping
        Input or result of the model -> of scattering or gathering it.
    """

    compute: tuple[float, ...] = ()
    host: Mapping[int, float] = field(default_factory=dict[int, float])

    def layers(self, graph: Graph) -> list[float]:
        """One sum per layer: scattering counts for the first reader, gathering for the maker."""
        sums = list(self.compute)
        counted: set[int] = set()
        for index, layer in enumerate(graph.layers if sums else ()):
            read = {t for op in layer.ops for t in graph.ops[op].inputs}
            touched = ((read & set(graph.inputs)) | set(layer.outputs)) - counted
            sums[index] += sum(self.host.get(t, 0.0) for t in touched)
            counted |= touched
        return sums


def find_floors(graph: Graph, cluster: ClusterSpec, cost: Cost) -> Floors:
    """Lower bounds of each layer, and of the host's transfers.

    One board that computes only what the results need does the least work there is; boards
    together do no less, but for elements that nobody reads between two boards' parts (a 1x1
    window of stride 2 skips the row between them). That share is taken off.
    """
    owned = {t: (whole(graph.tensors[t].shape),) for t in graph.outputs}
    geometry = derive(graph, owned, 1)
    speeds = cluster.speeds or (1.0,) * cluster.boards
    kinds = cluster.kinds or ("",) * cluster.boards
    gaps = _gaps(graph)
    floors: list[float] = []
    for layer in graph.layers:
        tiles = {op: geometry.tiles[op][0] for op in layer.ops}
        work = tile_work(graph, layer, tiles, BoardFigures(cluster.boards), cost.per_layer)
        sure = min(
            _sure(gaps.get(t), geometry.need[t][0], t in owned, cluster.boards)
            for t in layer.outputs
        )
        floors.append(cost.floor_of_kinds(work, speeds, kinds) * sure if work else 0.0)
    return Floors(tuple(floors), _host_floors(graph, geometry, cluster, cost, gaps))


def _sure(gaps: Gaps | None, need: Region, owned: bool, boards: int) -> float:
    """Share of a tensor's need that boards together compute at least."""
    if owned:
        return 1.0
    if gaps is None or need.is_empty:
        return 0.0
    share = 1.0
    for gap, size in zip(gaps, need.shape, strict=True):
        share *= max(0.0, 1 - (boards - 1) * gap / size)
    return share


def _host_floors(
    graph: Graph, geometry: Geometry, cluster: ClusterSpec, cost: Cost, gaps: Mapping[int, Gaps]
) -> dict[int, float]:
    links = cluster.links
    host: dict[int, float] = {}
    for tensor in graph.inputs:
        need = geometry.need[tensor][0]
        if not need.is_empty:
            share = _sure(gaps.get(tensor), need, False, cluster.boards)
            nbytes = need.volume * graph.tensors[tensor].itemsize * share
            host[tensor] = cost.host_floor(nbytes, links)
    for tensor in set(graph.outputs) & set(graph.producer):
        host[tensor] = cost.host_floor(graph.tensors[tensor].nbytes, links)
    return host


def _gaps(graph: Graph) -> dict[int, Gaps]:
    """Per tensor and axis, the most elements that may lie unread between two parts."""
    gaps: dict[int, Gaps] = {t: (0,) * len(graph.tensors[t].shape) for t in graph.outputs}
    for op in reversed(graph.ops):
        if not all(t in gaps for t in op.outputs[:1]):
            continue
        for tensor, found in zip(op.inputs, _input_gaps(op, gaps[op.outputs[0]]), strict=True):
            # Every reader alone gives a bound; the tightest counts.
            if found is not None and (tensor not in gaps or sum(found) < sum(gaps[tensor])):
                gaps[tensor] = found
    return gaps


def _input_gaps(op: Op, gaps: Gaps) -> list[Gaps | None]:
    """Gaps between what two neighbouring parts of the output read of each input."""
    full, rule = whole(op.out_shape), rule_for(op)
    if full.is_empty:
        return [None] * len(op.in_shapes)
    found: list[Gaps | None] = [(0,) * len(s) for s in op.in_shapes]
    if len(op.outputs) > 1:
        return found
    everything = rule.tile(op, full).inputs
    for axis, size in enumerate(op.out_shape):
        for cut in {size // 2, size // 2 + 1}:
            stop = cut + gaps[axis]
            if not 0 < cut <= stop < size:
                continue
            left = rule.tile(op, full.replace(axis, 0, cut)).inputs
            right = rule.tile(op, full.replace(axis, stop, size)).inputs
            for k, parts in enumerate(zip(left, right, everything, strict=True)):
                known = found[k]
                if known is not None:
                    found[k] = _widest(known, *parts)
    return found


def _widest(known: Gaps, left: Region, right: Region, both: Region) -> Gaps | None:
    """The gap between (or beside) two parts of a region, at least what is known."""
    if both.is_empty or (left.is_empty and right.is_empty):
        return known if both.is_empty else None
    if left.is_empty or right.is_empty:
        part = right if left.is_empty else left
        beside = (max(x[0] - a[0], a[1] - x[1]) for x, a in
                  zip(part.bounds, both.bounds, strict=True))
        return tuple(max(g, b) for g, b in zip(known, beside, strict=True))
    return tuple(
        max(g, y[0] - x[1], x[0] - y[1])
        for g, x, y in zip(known, left.bounds, right.bounds, strict=True)
    )
