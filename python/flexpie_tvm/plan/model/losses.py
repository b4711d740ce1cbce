# SPDX-License-Identifier: Apache-2.0
"""A cluster that has lost boards: what is left of it, and which losses are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from .cluster import ClusterSpec

#: What makes a board what it is to a plan: its target, and its figures of `PER_BOARD`.
Likeness = tuple[object, ...]
PER_BOARD = ("speeds", "memory", "bandwidths", "latencies", "kinds", "targets")


def remaining(cluster: ClusterSpec, kept: Sequence[int]) -> ClusterSpec:
    """The cluster of some of a cluster's boards.

    Parameters
    ----------
    cluster : ClusterSpec
        The whole one.
    kept : sequence of int
        Ranks that are left; ``kept[k]`` becomes rank k.
    """
    values = {name: getattr(cluster, name) for name in PER_BOARD}
    left = {name: tuple(v[rank] for rank in kept) for name, v in values.items() if v}
    return replace(cluster, boards=len(kept), **left)


def likeness(cluster: ClusterSpec, targets: Sequence[str]) -> list[Likeness]:
    """What makes a board what it is to a plan, one entry per rank; equal boards have equal ones.

    Parameters
    ----------
    cluster : ClusterSpec
        The boards.
    targets : sequence of str
        What each is compiled for.
    """
    columns = [getattr(cluster, name) or (None,) * cluster.boards for name in PER_BOARD]
    return list(zip(targets, *columns, strict=True))


def distinct_losses(
    cluster: ClusterSpec, targets: Sequence[str], lost: int
) -> list[tuple[int, ...]]:
    """Ranks that are left after a number of losses; of losses that leave equal boards, one.

    Four equal boards have one way to lose one, (0, 1, 2): whichever it was, the three that are
    left are as good as these. Of boards a, a, b there are two: a, a and a, b.

    Parameters
    ----------
    cluster : ClusterSpec
        The boards.
    targets : sequence of str
        What each is compiled for.
    lost : int
        How many are lost.
    """
    alike = likeness(cluster, targets)
    found: dict[tuple[str, ...], tuple[int, ...]] = {}
    for kept in combinations(range(cluster.boards), cluster.boards - lost):
        found.setdefault(tuple(sorted(map(repr, (alike[rank] for rank in kept)))), kept)
    return list(found.values())


def stand_ins(
    alike: Sequence[Likeness], planned: Sequence[int], kept: Sequence[int]
) -> list[int] | None:
    """Which of the boards that are left does what a plan has for others.

    Parameters
    ----------
    alike : sequence of tuple
        `likeness` of all boards.
    planned : sequence of int
        Ranks that the plan was made for.
    kept : sequence of int
        Ranks that are left.

    Returns
    -------
    boards : list of int or None
        One of ``kept`` for each of ``planned``; None if they are not alike.
    """
    if len(planned) != len(kept):
        return None
    left = sorted(kept)
    chosen: list[int] = []
    for rank in planned:
        board = next((k for k in left if alike[k] == alike[rank]), None)
        if board is None:
            return None
        left.remove(board)
        chosen.append(board)
    return chosen
