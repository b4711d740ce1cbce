# SPDX-License-Identifier: Apache-2.0
"""What a plan costs: the reference that every search is checked against.

Cost = for each layer the slowest board's tile + every exchange + scattering the inputs and
gathering the outputs (FlexPie, section 3.2, with the host's link added) + the host's calls of the
boards that take part. Written straight
from the plan's geometry; nothing is shared with the search but the records.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ...cost import Cost, TileWork
from ...cost.records import Links, Transfer
from ...graph import Graph
from ..model.cluster import ClusterSpec
from ..model.geometry import Geometry
from ..model.memory import memory_need
from ..model.plan import Plan
from .work import board_figures, exchange_transfer, host_transfer, tile_work

OBJECTIVES = ("latency", "throughput", "energy")


@dataclass(frozen=True)
class Evaluation:
    """Predicted figures of one plan; all times in milliseconds.

    Parameters
    ----------
    compute : dict
        Layer id -> time of each board.
    exchange, scatter, gather : dict
        Tensor id -> time of its exchange, scattering or gathering.
    wire : dict
        Tensor id -> time of each board in its exchange.
    nbytes : dict
        Tensor id -> bytes exchanged.
    memory : tuple of int
        Bytes of weights and activations that each board needs at most.
    energy : float
        Busy time of all boards plus all bytes over one link.
    calls : float
        Time of the host's calls of the boards that take part.
    """

    compute: dict[int, np.ndarray] = field(default_factory=dict)
    exchange: dict[int, float] = field(default_factory=dict)
    scatter: dict[int, float] = field(default_factory=dict)
    gather: dict[int, float] = field(default_factory=dict)
    wire: dict[int, np.ndarray] = field(default_factory=dict)
    nbytes: dict[int, int] = field(default_factory=dict)
    memory: tuple[int, ...] = ()
    energy: float = 0.0
    calls: float = 0.0

    @property
    def latency(self) -> float:
        """Milliseconds of one inference, all boards in step."""
        moved = sum(sum(d.values()) for d in (self.exchange, self.scatter, self.gather))
        return sum(float(times.max()) for times in self.compute.values()) + moved + self.calls

    @property
    def busy(self) -> np.ndarray:
        """Milliseconds that each board computes or exchanges."""
        return np.asarray(sum(self.compute.values()) + sum(self.wire.values()))

    @property
    def throughput(self) -> float:
        """Milliseconds of the busiest board: no frame can follow another faster."""
        return float(self.busy.max())

    def objective(self, name: str) -> float:
        """The figure that an objective minimises.

        Parameters
        ----------
        name : str
            One of `OBJECTIVES`.
        """
        return float(getattr(self, name))


def evaluate(graph: Graph, plan: Plan, cost: Cost) -> Evaluation:
    """Predict everything about a plan.

    Parameters
    ----------
    graph : Graph
        The model's layers.
    plan : Plan
        How they are cut.
    cost : Cost
        Predicts every tile and exchange.

    Returns
    -------
    evaluation : Evaluation
        Milliseconds and bytes of each part, and their sums.

    Raises
    ------
    PlanError
        If the plan is for another model.
    """
    geometry, cluster = plan.geometry(graph), plan.cluster
    result = Evaluation(memory=memory_need(graph, geometry))
    _compute(graph, geometry, cluster, cost, result)
    _exchanges(graph, geometry, cluster, cost, result)
    _host(graph, geometry, cluster, cost, result)
    seconds = sum(result.nbytes.values()) * 8 / cluster.bandwidth
    energy = sum(float(t.sum()) for t in result.compute.values()) + seconds * 1e3
    calls = cost.calls(len(taking_part(geometry)))
    return replace(result, energy=energy, calls=calls)


def taking_part(geometry: Geometry) -> list[int]:
    """Boards that have anything to compute."""
    tiles = geometry.tiles.values()
    return [b for b in range(geometry.boards) if any(of[b] is not None for of in tiles)]


def _compute(
    graph: Graph, geometry: Geometry, cluster: ClusterSpec, cost: Cost, result: Evaluation
) -> None:
    works: list[TileWork] = []
    places: list[tuple[int, int]] = []
    for layer in graph.layers:
        result.compute[layer.id] = np.zeros(cluster.boards)
        for board in range(cluster.boards):
            tiles = {op: geometry.tiles[op][board] for op in layer.ops}
            figures = board_figures(cluster, board)
            work = tile_work(graph, layer, tiles, figures, cost.per_layer)
            if work is not None:
                works.append(work)
                places.append((layer.id, board))
    for (layer_id, board), time in zip(places, cost.compute(works), strict=True):
        result.compute[layer_id][board] = time
    for layer_id, times in result.compute.items():
        result.compute[layer_id] = cluster.taking_turns(times)


def _exchanges(
    graph: Graph, geometry: Geometry, cluster: ClusterSpec, cost: Cost, result: Evaluation
) -> None:
    links = cluster.links
    tensors = [exchange.tensor for exchange in geometry.exchanges]
    transfers = [
        exchange_transfer(
            geometry.owned[t], geometry.need[t], graph.tensors[t], links, cost.per_layer
        )
        for t in tensors
    ]
    for tensor, transfer, time in zip(tensors, transfers, cost.exchange(transfers), strict=True):
        result.exchange[tensor] = float(time)
        result.nbytes[tensor] = transfer.total
        met = (transfer.nbytes.sum(axis=0) + transfer.nbytes.sum(axis=1)) > 0
        result.wire[tensor] = met * float(time)


def _host(
    graph: Graph, geometry: Geometry, cluster: ClusterSpec, cost: Cost, result: Evaluation
) -> None:
    moves = host_transfers(graph, geometry, cluster.links, cost.per_layer)
    times = cost.exchange([transfer for _, transfer in moves])
    for (tensor, transfer), time in zip(moves, times, strict=True):
        into = result.scatter if transfer.kind == "scatter" else result.gather
        into[tensor] = float(time)


def host_transfers(
    graph: Graph, geometry: Geometry, links: Links, named: bool = False
) -> list[tuple[int, Transfer]]:
    """What is scattered and gathered in an inference.

    Parameters
    ----------
    graph, geometry : Graph, Geometry
        The model, and what each board has of its tensors.
    links : Links
        Of the boards.
    named : bool
        Put the tensors' names into the records.

    Returns
    -------
    transfers : list of (int, Transfer)
        Each with its tensor's id.
    """
    return [
        (tensor, host_transfer(kind, regions[tensor], graph.tensors[tensor], links, named))
        for kind, tensors, regions in (
            ("scatter", graph.inputs, geometry.need),
            ("gather", sorted(set(graph.outputs)), geometry.owned),
        )
        for tensor in tensors
        if any(not region.is_empty for region in regions.get(tensor, ()))
    ]
