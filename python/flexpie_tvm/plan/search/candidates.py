# SPDX-License-Identifier: Apache-2.0
"""The ways in which a planner may let boards own a tensor.

For the fastest k boards (and the k with the best links), for every k that is offered: InH, InW,
OutC, every grid of k cells, and Single; on 3 boards also the 2x2 grid of which one board owns
two neighbouring cells (FlexPie, section 5). A way that cuts no axis of a tensor falls back as in
`split_for`; equal splits are offered once. An operator that sums over an axis may also make
partial results of the boards' shares of its input (InC).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from ...graph import Axes, Graph, Op, Region, Tensor
from ...rules import parts_keep_precision, reducible_axes
from ..model.cluster import ClusterSpec
from ..model.plan import layer_cuttable
from ..model.scheme import Scheme, Split, cut_points, split_for
from .order import Orders, orders_of

ALL_SIZES = 8  # up to so many boards every smaller number is offered


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to own one tensor.

    ``scheme`` is the name shown to people, ``family`` the baseline it belongs to (``InH``,
    ``InW``, ``OutC``, ``2D-grid``, ``Single``; empty for ways that no baseline uses).
    """

    scheme: str
    split: Split
    family: str = ""


Candidates = Mapping[int, tuple[Candidate, ...]]
Shares = Mapping[int, tuple[Split, ...]]


def board_counts(boards: int) -> tuple[int, ...]:
    """Numbers of boards to offer: all up to 8 boards, else all of them, halves, quarters, ..."""
    if boards <= ALL_SIZES:
        return tuple(range(boards, 0, -1))
    counts = [boards]
    while counts[-1] > 1:
        counts.append(-(-counts[-1] // 2))
    return tuple(counts)


def candidates_for(
    graph: Graph, cluster: ClusterSpec, fewer: bool = True, orders: Orders = ()
) -> Candidates:
    """Candidates of every layer output.

    Parameters
    ----------
    graph : Graph
        With layers.
    cluster : ClusterSpec
        Boards and speeds.
    fewer : bool
        Also offer to leave boards out.
    orders : tuple
        In which orders; by default `orders_of` the cluster.
    """
    made: dict[tuple[tuple[int, ...], Axes, frozenset[int]], tuple[Candidate, ...]] = {}
    found: dict[int, tuple[Candidate, ...]] = {}
    for layer in graph.layers:
        cuttable = layer_cuttable(graph, layer)
        for tensor in layer.outputs:
            info = graph.tensors[tensor]
            key = (info.shape, info.axes, cuttable)
            if key not in made:
                made[key] = tensor_candidates(info, cuttable, cluster, fewer, orders)
            found[tensor] = made[key]
    return found


def shares_for(
    graph: Graph,
    cluster: ClusterSpec,
    fewer: bool = True,
    every: bool = False,
    orders: Orders = (),
) -> Shares:
    """Ways to share the input of every anchor that can make partial results.

    One reduced axis at a time is cut, in proportion to the boards' speeds. Results of the
    model, layers with several results, and sums so long that their order matters
    (`parts_keep_precision`) are not made so. Nor, unless ``every``, is what is no smaller than
    its input: to bring all boards the input moves no more than to combine.

    Parameters
    ----------
    graph, cluster, fewer, orders
        As for `candidates_for`.
    every : bool
        Offer all that is legal.
    """
    found: dict[int, tuple[Split, ...]] = {}
    for layer in graph.layers:
        op = graph.ops[layer.anchor]
        legal = len(layer.outputs) == 1 and op.outputs[0] not in graph.outputs
        smaller = prod(op.out_shape) < prod(op.in_shapes[0]) if op.inputs else False
        if legal and (smaller or every):
            precise = reducible_axes(op) and parts_keep_precision(op)
            splits = _input_shares(op, cluster, fewer, orders) if precise else ()
            if splits:
                found[op.outputs[0]] = splits
    return found


def _input_shares(
    op: Op, cluster: ClusterSpec, fewer: bool, orders: Orders
) -> tuple[Split, ...]:
    axes = sorted(a for a in reducible_axes(op) if op.in_shapes[0][a] > 1)
    splits: dict[tuple[Region, ...], Split] = {}
    for ranks in _teams(cluster, fewer, orders):
        for axis in axes if len(ranks) > 1 else ():
            cuts = (cut_points(op.in_shapes[0][axis], _shares(cluster, ranks)),)
            split = _on(ranks, cluster, Split((axis,), cuts))
            regions = split.owned(op.in_shapes[0], cluster.boards)
            if sum(not r.is_empty for r in regions) > 1:
                splits.setdefault(regions, split)
    return tuple(splits.values())


def _teams(cluster: ClusterSpec, fewer: bool, orders: Orders) -> list[tuple[int, ...]]:
    """Ranks of the boards that may share a tensor, largest teams first."""
    counts = board_counts(cluster.boards) if fewer else (cluster.boards,)
    teams = (
        tuple(sorted(order[:count])) for count in counts for order in orders or orders_of(cluster)
    )
    return list(dict.fromkeys(teams))


def tensor_candidates(
    tensor: Tensor,
    cuttable: frozenset[int],
    cluster: ClusterSpec,
    fewer: bool = True,
    orders: Orders = (),
) -> tuple[Candidate, ...]:
    """All different ways to own one tensor, whole cluster first.

    Parameters
    ----------
    tensor : Tensor
        A layer's output.
    cuttable : frozenset of int
        Axes along which its layer gets cheaper when cut.
    cluster, fewer, orders
        As for `candidates_for`.
    """
    found: dict[Split, Candidate] = {}
    for ranks in _teams(cluster, fewer, orders):
        count, shares = len(ranks), _shares(cluster, ranks)
        schemes = _schemes(count)
        if cluster.boards > ALL_SIZES and count < cluster.boards:
            schemes = schemes[:4]  # of the grids only the squarest
        for family, scheme in schemes:
            split = _on(ranks, cluster, split_for(scheme, tensor, cuttable, shares))
            name = str(scheme) if split.axes else "Single"
            label = family if count == cluster.boards or not split.axes else ""
            found.setdefault(split, Candidate(name, split, label))
        if count == 3:
            for one in _two_cells(tensor, cuttable, cluster, ranks, shares):
                found.setdefault(one.split, one)
    for order in orders or orders_of(cluster):
        single = Candidate("Single", Split((), (), _lead(order)), "Single")
        found.setdefault(single.split, single)
    return tuple(found.values())


def baseline_candidate(
    family: str, tensor: Tensor, cuttable: frozenset[int], cluster: ClusterSpec
) -> tuple[Candidate, ...]:
    """The ways of one family with all boards: one for InH, several grids for 2D-grid.

    The order of grids is the same for every tensor, so that the k-th ways of all tensors
    make up the k-th uniform plan.

    Parameters
    ----------
    family : str
        ``InH``, ``InW``, ``OutC``, ``2D-grid`` or ``Single``.
    tensor, cuttable, cluster
        As for `tensor_candidates`.
    """
    ranks = tuple(range(cluster.boards))
    shares = cluster.shares
    ways: list[Candidate] = []
    for name, scheme in _schemes(cluster.boards):
        if name == family:
            split = _on(ranks, cluster, split_for(scheme, tensor, cuttable, shares))
            ways.append(Candidate(str(scheme) if split.axes else "Single", split, family))
    if family == "2D-grid" and cluster.boards == 3:
        two = _two_cells(tensor, cuttable, cluster, ranks, shares)
        fall_back = split_for(Scheme("2D-grid", (3, 1)), tensor, cuttable, shares)
        ways = [two[0] if two else Candidate("InH", _on(ranks, cluster, fall_back), family)]
    return tuple(ways)


def _schemes(boards: int) -> list[tuple[str, Scheme]]:
    one = [(kind, Scheme(kind)) for kind in ("InH", "InW", "OutC")]
    if boards == 1:
        return [*one, ("2D-grid", Scheme("2D-grid", (1, 1))), ("Single", Scheme("Single"))]
    grids = [(r, boards // r) for r in range(2, boards) if boards % r == 0]
    # Grids without inner columns are InH and InW; they stand in where no grid exists.
    grids = grids or ([(boards, 1), (1, boards)] if boards != 3 else [])
    grids.sort(key=lambda g: abs(g[0] - g[1]))
    return [*one, *(("2D-grid", Scheme("2D-grid", g)) for g in grids)]


def _shares(cluster: ClusterSpec, ranks: Sequence[int]) -> tuple[float, ...]:
    speeds = cluster.speeds or (1.0,) * cluster.boards
    total = sum(speeds[r] for r in ranks)
    return tuple(speeds[r] / total for r in ranks)


def _lead(order: Sequence[int]) -> tuple[int, ...]:
    """Ranks of a Single split: the first board of an order; empty if that is board 0."""
    return () if order[0] == 0 else (order[0],)


def _on(ranks: tuple[int, ...], cluster: ClusterSpec, split: Split) -> Split:
    if not split.axes:
        return replace(split, ranks=_lead(cluster.by_speed))
    return split if ranks == tuple(range(cluster.boards)) else replace(split, ranks=ranks)


def _two_cells(
    tensor: Tensor,
    cuttable: frozenset[int],
    cluster: ClusterSpec,
    ranks: Sequence[int],
    shares: Sequence[float],
) -> list[Candidate]:
    """2x2 cells on 3 boards: equal cells as in the paper, and cells balanced by speed."""
    h, w = tensor.axes.h, tensor.axes.w
    if h is None or w is None or not {h, w} <= cuttable:
        return []
    double = max(range(3), key=lambda k: shares[k])
    rest = [k for k in range(3) if k != double]
    owners = tuple(ranks[k] for k in (double, double, *rest))
    rows, cols = tensor.shape[h], tensor.shape[w]
    pair = [shares[k] for k in rest]
    balanced = cut_points(rows, (shares[double], sum(pair))), cut_points(cols, pair)
    equal = cut_points(rows, (1, 1)), cut_points(cols, (1, 1))
    family = "2D-grid" if len(ranks) == cluster.boards else ""
    return [
        Candidate("2D-grid:2x2", Split((h, w), equal, owners), family),
        Candidate("2D-grid:2x2", Split((h, w), balanced, owners), ""),
    ]
