# SPDX-License-Identifier: Apache-2.0
"""The cluster that a plan is made for: boards, their speeds and memory, and their links."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from math import isfinite
from numbers import Integral
from typing import Any

import numpy as np

from ...cost.records import Links
from ...errors import PlanError
from ...files import with_tuples

_log = logging.getLogger(__name__)
_ENTERED: ContextVar[tuple[ClusterSpec, ...]] = ContextVar("flexpie_clusters", default=())

TOPOLOGIES = ("mesh", "ring", "ps", "shared")
#: Messages name ranks in a byte.
MOST_BOARDS = 255
#: How many are assumed where nobody says it.
DEFAULT_BOARDS = 4


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
    topology : {"mesh", "ring", "ps", "shared"}
        Everybody with everybody; neighbours only; all through the first board; one medium
        that carries one transfer at a time (Wi-Fi).
    speeds : tuple of float
        Relative speeds; empty means equal boards.
    memory : tuple of int
        Bytes that each board can spend on weights and activations; empty means enough.
    bandwidths, latencies : tuple of float
        Bits per second and seconds of each board's own link, where links differ (``ring``:
        the link to the next board); empty means ``bandwidth`` and ``latency`` for all.
    kinds : tuple of str
        Kind of each board, for one cost model per kind; empty means all the same.
    targets : tuple of str
        TVM target of each board, where they differ; a planner does not look at them.
    host_bandwidth, host_latency : float
        The link of the host that scatters inputs and gathers outputs; 0 means like a board's.
    at_once : int
        How many boards can compute at the same time, where boards are processes that share the
        cores of one machine; 0 means all.

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
    memory: tuple[int, ...] = ()
    bandwidths: tuple[float, ...] = ()
    latencies: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    host_bandwidth: float = 0.0
    host_latency: float = 0.0
    at_once: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.boards, Integral) or self.boards < 1:
            raise PlanError(f"a cluster of {self.boards} boards: give 1 or more")
        if self.boards > MOST_BOARDS:
            raise PlanError(f"a cluster of {self.boards} boards: give at most {MOST_BOARDS}")
        if self.topology not in TOPOLOGIES:
            raise PlanError(
                f"unknown topology '{self.topology}': choose one of {', '.join(TOPOLOGIES)}"
            )
        if not (_above_zero(self.bandwidth) and _not_below_zero(self.latency)):
            raise PlanError(
                f"bandwidth {self.bandwidth} b/s and latency {self.latency} s: "
                "bandwidth must be above 0 and latency not below"
            )
        for name in ("speeds", "memory", "bandwidths"):
            values = getattr(self, name)
            if values and (len(values) != self.boards or not all(map(_above_zero, values))):
                raise PlanError(
                    f"{len(values)} {name} for {self.boards} boards: give one above 0 each"
                )
        late = self.latencies
        if late and (len(late) != self.boards or not all(map(_not_below_zero, late))):
            raise PlanError(f"{len(late)} latencies for {self.boards} boards")
        for name in ("kinds", "targets"):
            values = getattr(self, name)
            if values and len(values) != self.boards:
                raise PlanError(f"{len(values)} {name} for {self.boards} boards: give one each")
        if not (_not_below_zero(self.host_bandwidth) and _not_below_zero(self.host_latency)):
            raise PlanError("the host's bandwidth and latency must not be below 0")
        if not isinstance(self.at_once, Integral) or self.at_once < 0:
            raise PlanError(f"{self.at_once} boards at once: give 1 or more, or 0 for all")

    def __enter__(self) -> ClusterSpec:
        """Inside, whatever is given no cluster of its own in this thread is for this one."""
        _ENTERED.set((*_ENTERED.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        _ENTERED.set(_ENTERED.get()[:-1])

    @staticmethod
    def current() -> ClusterSpec | None:
        """The cluster of the innermost ``with`` around the caller, in its thread; or None."""
        return next(reversed(_ENTERED.get()), None)

    def throttled(self, share: float) -> ClusterSpec:
        """The same boards, each at a share of its speed.

        Parameters
        ----------
        share : float
            Above 0; 1 changes nothing.

        Raises
        ------
        PlanError
            If the share is not above 0.
        """
        if share == 1.0:
            return self
        return replace(self, speeds=tuple(s * share for s in self.speeds or (1.0,) * self.boards))

    def taking_turns(self, times: np.ndarray) -> np.ndarray:
        """What tiles take on boards that share cores, of which each has its turn.

        Parameters
        ----------
        times : numpy.ndarray
            Milliseconds of one layer on each board alone, of shape ``(boards,)``.

        Returns
        -------
        times : numpy.ndarray
            The same where every board has its own core. Else all that is computed takes as long
            as ``at_once`` boards need for it, and each board a like share more.
        """
        if not 0 < self.at_once < self.boards:
            return times
        slowest, together = times.max(), times.sum() / self.at_once
        return times * (together / slowest) if together > slowest else times

    @property
    def shares(self) -> tuple[float, ...]:
        """Each board's share of work that is split by speed; sums to 1."""
        speeds = self.speeds or (1.0,) * self.boards
        return tuple(s / sum(speeds) for s in speeds)

    @property
    def by_speed(self) -> tuple[int, ...]:
        """Ranks from the fastest board to the slowest; equal ones by their links, then by rank."""
        return self.sorted_by([-speed for speed in self.speeds or (1.0,) * self.boards])

    @property
    def by_link(self) -> tuple[int, ...]:
        """Ranks from the board with the best link of its own to that with the worst."""
        rates, delays = self.links.bandwidth, self.links.latency
        speeds = self.speeds or (1.0,) * self.boards
        keys = list(zip((-rate for rate in rates), delays, (-s for s in speeds), strict=True))
        return tuple(sorted(range(self.boards), key=lambda rank: (keys[rank], rank)))

    def sorted_by(self, times: Sequence[float]) -> tuple[int, ...]:
        """The ranks by a figure of each board, least first; equal ones by their links.

        Parameters
        ----------
        times : sequence of float
            By rank.
        """
        places = {rank: place for place, rank in enumerate(self.by_link)}
        return tuple(sorted(range(self.boards), key=lambda rank: (times[rank], places[rank])))

    @property
    def links(self) -> Links:
        """The network as cost models see it."""
        return Links(
            self.topology,
            self.bandwidths or (self.bandwidth,) * self.boards,
            self.latencies or (self.latency,) * self.boards,
            host_bandwidth=self.host_bandwidth or self.bandwidth,
            host_latency=self.host_latency or self.latency,
        )

    def to_json(self) -> dict[str, Any]:
        """The cluster as plain data for ``plan.json``; what is left at its default is left out."""
        data: dict[str, Any] = {
            "boards": self.boards,
            "bandwidth": self.bandwidth,
            "latency": self.latency,
            "topology": self.topology,
            "speeds": list(self.speeds),
        }
        for name in ("memory", "bandwidths", "latencies", "kinds", "targets"):
            if getattr(self, name):
                data[name] = list(getattr(self, name))
        for name in ("host_bandwidth", "host_latency", "at_once"):
            if getattr(self, name):
                data[name] = getattr(self, name)
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> ClusterSpec:
        """The cluster that `to_json` told.

        Parameters
        ----------
        data : dict
            What `to_json` gave.
        """
        return ClusterSpec(**with_tuples(data))


def said_cluster(given: ClusterSpec | int | None) -> ClusterSpec | None:
    """The cluster that somebody says: a description, a number of equal boards, or a ``with``.

    Parameters
    ----------
    given : ClusterSpec or int or None
        None for that of the ``with ClusterSpec(...):`` around.
    """
    if given is None:
        return ClusterSpec.current()
    return given if isinstance(given, ClusterSpec) else ClusterSpec(given)


def cluster_of(given: ClusterSpec | int | None) -> ClusterSpec:
    """The cluster of `said_cluster`, or what is assumed where nobody says it, which is logged.

    Parameters
    ----------
    given : ClusterSpec or int or None
        As of `said_cluster`.
    """
    if (said := said_cluster(given)) is not None:
        return said
    assumed = ClusterSpec(DEFAULT_BOARDS)
    _log.warning(
        "no cluster is given: %d equal boards with links of %g Gb/s are assumed; give one, or "
        "enter 'with ClusterSpec(...):'",
        assumed.boards,
        assumed.bandwidth / 1e9,
    )
    return assumed


def _above_zero(value: float) -> bool:
    return isfinite(value) and value > 0


def _not_below_zero(value: float) -> bool:
    return isfinite(value) and value >= 0


def parse_bandwidth(text: str) -> float:
    """Bits per second from ``1Gbps``, ``500Mbps``, ``100kbps`` or a plain number.

    Parameters
    ----------
    text : str
        The bandwidth, above 0.

    Returns
    -------
    bandwidth : float
        Bits per second.

    Raises
    ------
    PlanError
        If the text is none of these.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kKMG]?)(?:bps|bit/s|b/s)?\s*", text)
    if not match or float(match[1]) == 0:
        raise PlanError(f"bandwidth '{text}' is not one such as 1Gbps, 500Mbps or 100kbps")
    return float(match[1]) * {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}[match[2]]
