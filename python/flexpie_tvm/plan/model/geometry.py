# SPDX-License-Identifier: Apache-2.0
"""From who owns what to who computes, holds and sends what.

Walk the operators from the last to the first. For every board:

1. A tensor in mode T is computed exactly where it is owned; any other tensor (mode NT, or
   inside a layer) is computed where this board's own operators read it: the hull of what
   they need.
2. The operator's rule turns that region into a tile, and the tile's inputs add to the
   needs of the tensors before it.

Then, for every T tensor and ordered pair of boards, ``owned(src) ∩ need(dst)`` is sent.
Halos, re-sharding, gathers and residual re-alignment are all this one intersection.

A T tensor may also be made as partial results: every board computes all that anybody needs,
from its share of the input of a reducing operator. Then each board brings the whole box into
the exchange, the same intersection says what is sent, and the receivers add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import PlanError
from ...graph import Graph, Op, Region, empty, hull
from ...rules import Tile, combine_of, partial_tile, rule_for

Owned = Mapping[int, Sequence[Region]]


@dataclass(frozen=True, slots=True)
class Message:
    """A box of one tensor that one board sends to another.

    Parameters
    ----------
    source, target : int
        Ranks.
    region : Region
        In elements of the whole tensor.
    """

    source: int
    target: int
    region: Region


@dataclass(frozen=True, slots=True)
class Exchange:
    """All messages of one T tensor; exchanges happen in the order of their ids.

    ``combine`` is ``copy``, or ``sum`` or ``max`` for partial results.

    Parameters
    ----------
    id : int
        Its place in the order of all exchanges.
    tensor : int
        Id of the tensor.
    messages : tuple of Message
        None from a board to itself.
    combine : {"copy", "sum", "max"}
        What the receiver does with what it gets.
    """

    id: int
    tensor: int
    messages: tuple[Message, ...]
    combine: str = "copy"

    def sends(self, board: int) -> tuple[Message, ...]:
        """What a board sends.

        Parameters
        ----------
        board : int
            Its rank.
        """
        return tuple(m for m in self.messages if m.source == board)

    def receives(self, board: int) -> tuple[Message, ...]:
        """What a board receives.

        Parameters
        ----------
        board : int
            Its rank.
        """
        return tuple(m for m in self.messages if m.target == board)


@dataclass(frozen=True)
class Geometry:
    """Regions of a whole plan.

    Parameters
    ----------
    boards : int
        Number of boards.
    owned : mapping
        Tensor id -> the region each board brings into the exchange, for T tensors: what it
        owns, or the box of its partial results.
    need : mapping
        Tensor id -> the region each board must hold for its own operators.
    tiles : mapping
        Operator id -> each board's tile (None: nothing to compute).
    exchanges : tuple of Exchange
        In the order in which all boards meet them.
    """

    boards: int
    owned: Owned
    need: Mapping[int, tuple[Region, ...]]
    tiles: Mapping[int, tuple[Tile | None, ...]]
    exchanges: tuple[Exchange, ...]


def derive(graph: Graph, owned: Owned, boards: int, shares: Owned | None = None) -> Geometry:
    """All regions that follow from the ownership of the T tensors.

    Parameters
    ----------
    graph : Graph
        The model.
    owned : mapping
        Tensor id -> one region per board, disjoint and covering. Tensors that are not in
        it are recomputed where they are needed (mode NT).
    boards : int
        Number of boards.
    shares : mapping, optional
        Tensor id -> each board's share of the first input of the operator that makes it, for
        tensors made as partial results.

    Raises
    ------
    PlanError
        If an output of the model is not owned by anybody.
    """
    owned, shares = dict(owned), shares or {}
    for tensor in graph.outputs:
        if tensor not in owned and graph.tensors[tensor].kind == "op":
            raise PlanError(f"output {graph.tensors[tensor].name} must be in mode T")
    needs: dict[int, list[list[Region]]] = {}
    tiles: dict[int, tuple[Tile | None, ...]] = {}
    for op in reversed(graph.ops):
        wanted = [_computed(graph, tensor, owned, needs, boards) for tensor in op.outputs]
        share = shares.get(op.outputs[0])
        if share is None:
            parts = ([regions[board] for regions in wanted] for board in range(boards))
            tiles[op.id] = tuple(_tile(op, part) for part in parts)
        else:
            box = hull(wanted[0], len(op.out_shape))
            tiles[op.id] = tuple(_partial(op, box, part) for part in share)
            nothing = empty(box.rank)
            owned[op.outputs[0]] = tuple(box if tile else nothing for tile in tiles[op.id])
        for board, tile in enumerate(tiles[op.id]):
            if tile is not None:
                for tensor, region in zip(op.inputs, tile.inputs, strict=True):
                    slots = needs.setdefault(tensor, [[] for _ in range(boards)])
                    slots[board].append(region)
    need = {
        tensor.id: _hulls(needs.get(tensor.id), len(tensor.shape), boards)
        for tensor in graph.tensors
    }
    return Geometry(boards, owned, need, tiles, _exchanges(graph, owned, need, shares))


def _computed(
    graph: Graph, tensor: int, owned: Owned, needs: Mapping[int, list[list[Region]]], boards: int
) -> Sequence[Region]:
    if tensor in owned:
        return owned[tensor]
    return _hulls(needs.get(tensor), len(graph.tensors[tensor].shape), boards)


def _tile(op: Op, regions: list[Region]) -> Tile | None:
    if all(region.is_empty for region in regions):
        return None
    return rule_for(op).tile(op, regions[0])


def _partial(op: Op, box: Region, share: Region) -> Tile | None:
    return None if box.is_empty or share.is_empty else partial_tile(op, box, share)


def _hulls(slots: list[list[Region]] | None, rank: int, boards: int) -> tuple[Region, ...]:
    if slots is None:
        return (empty(rank),) * boards
    return tuple(hull(parts, rank) for parts in slots)


def _exchanges(
    graph: Graph, owned: Owned, need: Mapping[int, tuple[Region, ...]], shares: Owned
) -> tuple[Exchange, ...]:
    exchanges: list[Exchange] = []
    for op in graph.ops:
        for tensor in op.outputs:
            if tensor not in owned:
                continue
            messages = messages_between(owned[tensor], need[tensor])
            if messages:
                combine = combine_of(op) if tensor in shares else "copy"
                exchanges.append(Exchange(len(exchanges), tensor, messages, combine))
    return tuple(exchanges)


def messages_between(owned: Sequence[Region], need: Sequence[Region]) -> tuple[Message, ...]:
    """What goes from every board to every other: ``owned(source)`` and ``need(target)`` meet.

    Parameters
    ----------
    owned, need : sequence of Region
        Of each board, by rank; may be empty.
    """
    return tuple(
        Message(source, target, box)
        for source, mine in enumerate(owned)
        for target, wanted in enumerate(need)
        if source != target and not (box := mine.intersect(wanted)).is_empty
    )
