# SPDX-License-Identifier: Apache-2.0
"""Boards that are sold -> the cluster that they make."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import PlanError
from ...machine import KnownBoard
from .cluster import ClusterSpec


def cluster_of_boards(
    boards: Sequence[KnownBoard], bandwidth: float | None = None, topology: str = "mesh"
) -> ClusterSpec:
    """The cluster of some boards, in the order of their ranks.

    Boards of several kinds get one each, by which cost models tell them apart.

    Parameters
    ----------
    boards : sequence of KnownBoard
        One or more.
    bandwidth : float, optional
        Bits per second of the network between them. Each board's own link has the least of
        this and what the board can do; the host has this, or as much as the best board.
    topology : str
        As of `ClusterSpec`.

    Raises
    ------
    PlanError
        If there are none, or too many.
    """
    if not boards:
        raise PlanError("a cluster of 0 boards: give 1 or more")
    own = [min(board.bandwidth, bandwidth or board.bandwidth) for board in boards]
    mixed = len({board.key for board in boards}) > 1
    return ClusterSpec(
        len(boards),
        max(own),
        topology=topology,
        bandwidths=tuple(own) if len(set(own)) > 1 else (),
        kinds=tuple(board.key for board in boards) if mixed else (),
        targets=tuple(board.target for board in boards),
        host_bandwidth=bandwidth or 0.0,
    )
