# SPDX-License-Identifier: Apache-2.0
"""What a testbed should be like."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...errors import ClusterError
from ...plan import ClusterSpec
from .cpus import CpuShare, share_cpus

TOPOLOGIES = ("mesh", "ring", "ps")
ARCHITECTURES = ("x86_64", "aarch64")
MOST_BOARDS = 64


@dataclass(frozen=True)
class TestbedOptions:
    """Boards and links of a testbed.

    Parameters
    ----------
    boards : int
        Number of boards.
    bandwidth : float
        Bits per second on the wire of a board's link, each way.
    latency : float
        Seconds from one board to another. A kernel with netem delays all packets, also the
        host's; without it the boards' runtime delays what boards send each other.
    topology : {"mesh", "ring", "ps"}
        Who reaches whom: everybody, ring neighbours, or everybody the first board.
    host_bandwidth : float
        Bits per second of the host's link; 0 means like a board's.
    cpu : float
        Cores of the fastest board, at most 1; 0 means as much as there is for all.
    speeds : tuple of float
        Relative speeds, one per board; empty means equal boards.
    memory : int
        Bytes that a board's processes may use; 0 means no limit.
    archs : tuple of str
        ``x86_64`` or ``aarch64``, one for all boards or one per board; empty means the host's.
    threads : int
        Threads of each board's kernels.
    secure : str
        File of the key that encrypts the boards' links; empty leaves them plain.

    Raises
    ------
    ClusterError
        If a value makes no sense.
    """

    __test__ = False  # not a test, whatever pytest thinks of the name

    boards: int = 2
    bandwidth: float = 1e9
    latency: float = 0.0
    topology: str = "mesh"
    host_bandwidth: float = 0.0
    cpu: float = 0.0
    speeds: tuple[float, ...] = ()
    memory: int = 0
    archs: tuple[str, ...] = ()
    threads: int = 1
    secure: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.boards <= MOST_BOARDS:
            raise ClusterError(f"a testbed of {self.boards} boards: give 1 to {MOST_BOARDS}")
        if self.topology not in TOPOLOGIES:
            raise ClusterError(
                f"a testbed has no topology '{self.topology}': choose one of "
                f"{', '.join(TOPOLOGIES)}"
            )
        if self.bandwidth <= 0 or self.host_bandwidth < 0 or self.latency < 0:
            raise ClusterError("bandwidths must be above 0 and the latency not below")
        if not 0 <= self.cpu <= 1:
            raise ClusterError(f"{self.cpu} cores for a board: give more than 0 and at most 1")
        if self.speeds and (len(self.speeds) != self.boards or min(self.speeds) <= 0):
            raise ClusterError(
                f"{len(self.speeds)} speeds for {self.boards} boards: give one above 0 each"
            )
        if self.memory < 0 or self.threads < 1:
            raise ClusterError("a board needs memory and at least one thread")
        if len(self.archs) not in (0, 1, self.boards):
            raise ClusterError(
                f"{len(self.archs)} architectures for {self.boards} boards: "
                "give one for all or one each"
            )
        for arch in self.archs:
            if arch not in ARCHITECTURES:
                raise ClusterError(
                    f"unknown architecture '{arch}': choose {' or '.join(ARCHITECTURES)}"
                )

    @property
    def arch_of(self) -> tuple[str, ...]:
        """Every board's architecture."""
        archs = self.archs or (os.uname().machine,)
        return archs if len(archs) == self.boards else archs * self.boards

    @property
    def shares(self) -> tuple[CpuShare, ...]:
        """Every board's part of the cores that this program may use.

        Raises
        ------
        ClusterError
            If the boards need more cores than there are.
        """
        cores = sorted(os.sched_getaffinity(0))
        return share_cpus(self.boards, cores, self.cpu, self.speeds)

    @property
    def cluster(self) -> ClusterSpec:
        """The testbed as a planner sees it; a board of speed 1 has a core for itself.

        Raises
        ------
        ClusterError
            If the boards need more cores than there are.
        """
        quotas = tuple(share.quota for share in self.shares)
        return ClusterSpec(
            self.boards,
            self.bandwidth,
            self.latency,
            self.topology,
            speeds=quotas if min(quotas) < 1 else (),
            memory=(self.memory,) * self.boards if self.memory else (),
            host_bandwidth=self.host_bandwidth,
        )
