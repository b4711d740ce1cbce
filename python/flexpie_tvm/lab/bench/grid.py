# SPDX-License-Identifier: Apache-2.0
"""The grid of configurations that a benchmark goes through.

case    one network on one cluster: a number of boards, a bandwidth, a topology
way     a way of partitioning, by the name of its scheme
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...plan import ClusterSpec
from .networks import Network

#: The paper's five ways of cutting, and the planner.
WAYS = ("InH", "OutC", "2D-grid", "layerwise", "fused", "auto")


@dataclass(frozen=True)
class Case:
    """One network on one cluster.

    Parameters
    ----------
    network : Network
        What runs.
    cluster : ClusterSpec
        On what.
    """

    network: Network
    cluster: ClusterSpec

    @property
    def id(self) -> str:
        """A file name for its results."""
        cluster = self.cluster
        rate = f"{cluster.bandwidth / 1e6:g}Mbps"
        return f"{self.network.name}-{cluster.boards}x-{cluster.topology}-{rate}"


@dataclass(frozen=True)
class Grid:
    """What is measured.

    Parameters
    ----------
    networks : tuple of Network
        The models.
    clusters : tuple of ClusterSpec
        Boards, bandwidth and topology.
    ways : tuple of str
        Schemes, as ``flexpie run --scheme`` takes them.
    rounds : int
        Times that every way is measured, in turns with the others.
    repeat : int
        Inferences of a way per round.
    """

    networks: tuple[Network, ...]
    clusters: tuple[ClusterSpec, ...]
    ways: tuple[str, ...] = WAYS
    rounds: int = 10
    repeat: int = 3

    def cases(self) -> Iterator[Case]:
        """All configurations; those of one cluster follow each other."""
        for cluster in self.clusters:
            for network in self.networks:
                yield Case(network, cluster)
