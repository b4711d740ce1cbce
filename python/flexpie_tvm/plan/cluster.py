# SPDX-License-Identifier: Apache-2.0
"""The cluster that a plan is made for: boards, their speeds and memory, and their links."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import PlanError

TOPOLOGIES = ("mesh", "ring", "ps")


@dataclass(frozen=True)
class ClusterSpec:
    """Boards and links, as a planner sees them.

    Parameters
    ----------
    boards : int
        Number of boards, ranks 0 to boards-1.
    bandwidth : float
        Bits per second of one board's link, each way.
    latency : float
        Seconds from one board to another.
    topology : {"mesh", "ring", "ps"}
        Who is linked with whom.
    speeds : tuple of float
        Relative speeds; empty means equal boards.

    Raises
    ------
    PlanError
        If a value makes no sense.
    """

    boards: int
    bandwidth: float = 1e9
    latency: float = 1e-4
    topology: str = "mesh"
    speeds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.boards < 1:
            raise PlanError(f"a cluster of {self.boards} boards: give 1 or more")
        if self.topology not in TOPOLOGIES:
            raise PlanError(
                f"unknown topology '{self.topology}': choose one of {', '.join(TOPOLOGIES)}"
            )
        if self.bandwidth <= 0 or self.latency < 0:
            raise PlanError(
                f"bandwidth {self.bandwidth} b/s and latency {self.latency} s: "
                "bandwidth must be above 0 and latency not below"
            )
        if self.speeds and (len(self.speeds) != self.boards or min(self.speeds) <= 0):
            raise PlanError(f"{len(self.speeds)} speeds for {self.boards} boards: give one above 0 each")

    @property
    def shares(self) -> tuple[float, ...]:
        """Each board's share of work that is split by speed; sums to 1."""
        speeds = self.speeds or (1.0,) * self.boards
        return tuple(s / sum(speeds) for s in speeds)

    def to_json(self) -> dict:
        """Plain data for ``plan.json``."""
        return {
            "boards": self.boards,
            "bandwidth": self.bandwidth,
            "latency": self.latency,
            "topology": self.topology,
            "speeds": list(self.speeds),
        }

    @staticmethod
    def from_json(data: dict) -> ClusterSpec:
        """Inverse of `to_json`."""
        return ClusterSpec(**{**data, "speeds": tuple(data.get("speeds", ()))})


def parse_bandwidth(text: str) -> float:
    """Bits per second from ``1Gbps``, ``500Mbps``, ``100kbps`` or a plain number.

    Raises
    ------
    PlanError
        If the text is none of these.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kKMG]?)(?:bps|bit/s|b/s)?\s*", text)
    if not match or float(match[1]) == 0:
        raise PlanError(f"bandwidth '{text}' is not one such as 1Gbps, 500Mbps or 100kbps")
    return float(match[1]) * {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}[match[2]]
