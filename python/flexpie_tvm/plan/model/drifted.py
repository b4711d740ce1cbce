# SPDX-License-Identifier: Apache-2.0
"""A cluster whose boards or links have become slower than they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .cluster import ClusterSpec


def drifted(
    cluster: ClusterSpec, compute: Mapping[int, float], exchange: Mapping[int, float]
) -> ClusterSpec:
    """The same boards at other speeds.

    Parameters
    ----------
    cluster : ClusterSpec
        As they were.
    compute, exchange : mapping
        Rank -> how many times as long a board computes, and moves bytes over its link; a board
        that is not there is as it was. One medium that all share is as slow as its slowest user.

    Raises
    ------
    PlanError
        If a factor is not above 0.
    """
    boards = range(cluster.boards)
    speeds = cluster.speeds or (1.0,) * cluster.boards
    found = cluster
    if compute:
        slower = tuple(speeds[rank] / compute.get(rank, 1.0) for rank in boards)
        found = replace(found, speeds=slower)
    if exchange and cluster.topology == "shared":
        found = replace(found, bandwidth=cluster.bandwidth / max(exchange.values()))
    elif exchange:
        links = cluster.bandwidths or (cluster.bandwidth,) * cluster.boards
        found = replace(
            found, bandwidths=tuple(links[rank] / exchange.get(rank, 1.0) for rank in boards)
        )
    return found
