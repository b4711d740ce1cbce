# SPDX-License-Identifier: Apache-2.0
"""Who is cabled to whom, under which names and addresses: plain data, nothing is made here.

Every board is a network namespace with one address. Its ``eth0`` is cabled to a switch, which is
a bridge in a namespace of its own; the host has a port on the switch, too, and the tracker runs in
the switch's namespace. The topologies are made of that:

``mesh``
    any port of the switch reaches any other.
``ps``
    boards are on isolated ports, which reach the host and the first board only.
``ring``
    boards are on isolated ports, which reach the host only. Neighbours have a cable of their
    own (``next`` to ``previous``).

Boards do not route for each other, so what a topology does not have cannot be reached.
"""

from __future__ import annotations

from dataclasses import dataclass

from .options import TestbedOptions

HOST_NUMBER, TRACKER_NUMBER = 253, 254
TRACKER_PORT = 9190


@dataclass(frozen=True)
class End:
    """One end of a cable: a device in a namespace (None: the host's own)."""

    namespace: str | None
    device: str


@dataclass(frozen=True)
class Cable:
    """Two ends, and the bits per second that each of them sends at most.

    ``name`` says which link it is; the first end is the board's or the host's.
    """

    name: str
    ends: tuple[End, End]
    rate: float


@dataclass(frozen=True)
class BoardNetwork:
    """Names, addresses and cables of one testbed.

    Parameters
    ----------
    id : str
        Six hexadecimal digits that no other testbed of this machine has.
    subnet : str
        The first three bytes of its addresses.
    options : TestbedOptions
        What the testbed should be like.
    """

    id: str
    subnet: str
    options: TestbedOptions

    @property
    def switch(self) -> str:
        """Namespace of the bridge and the tracker."""
        return f"flexpie-{self.id}-switch"

    def board(self, rank: int) -> str:
        """Namespace of a board."""
        return f"flexpie-{self.id}-board{rank}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All namespaces."""
        return (self.switch, *map(self.board, range(self.options.boards)))

    @property
    def host_device(self) -> str:
        """The host's end of its cable."""
        return f"fx{self.id}"

    @property
    def host_address(self) -> str:
        """The host's address."""
        return f"{self.subnet}.{HOST_NUMBER}"

    @property
    def tracker_address(self) -> str:
        """The tracker's address."""
        return f"{self.subnet}.{TRACKER_NUMBER}"

    def address(self, rank: int) -> str:
        """A board's address; they grow with the rank."""
        return f"{self.subnet}.{rank + 1}"

    @property
    def host_cable(self) -> Cable:
        """From the host to the switch."""
        rate = self.options.host_bandwidth or self.options.bandwidth
        ends = End(None, self.host_device), End(self.switch, "host")
        return Cable("host", ends, rate)

    @property
    def board_cables(self) -> tuple[Cable, ...]:
        """From every board to the switch."""
        return tuple(
            Cable(
                f"board{rank}",
                (End(self.board(rank), "eth0"), End(self.switch, f"board{rank}")),
                self.options.bandwidth,
            )
            for rank in range(self.options.boards)
        )

    @property
    def ring_cables(self) -> tuple[Cable, ...]:
        """From every board to the next one; two boards have one cable, not two."""
        boards = self.options.boards
        if self.options.topology != "ring" or boards == 1:
            return ()
        return tuple(
            Cable(
                f"board{rank}-board{(rank + 1) % boards}",
                (End(self.board(rank), "next"), End(self.board((rank + 1) % boards), "previous")),
                self.options.bandwidth,
            )
            for rank in range(boards if boards > 2 else 1)
        )

    @property
    def cables(self) -> tuple[Cable, ...]:
        """All cables."""
        return (self.host_cable, *self.board_cables, *self.ring_cables)

    def isolated(self, rank: int) -> bool:
        """Whether a board's port of the switch is kept apart from other such ports."""
        topology = self.options.topology
        return topology == "ring" or (topology == "ps" and rank > 0)

    def peers(self, rank: int) -> dict[int, str]:
        """The boards that a board reaches -> the device that leads there."""
        boards, topology = self.options.boards, self.options.topology
        if topology == "ring":
            found = {}
            for cable in self.ring_cables:
                (a, b) = cable.ends
                for own, other in ((a, b), (b, a)):
                    if own.namespace == self.board(rank):
                        found[self._rank(other.namespace)] = own.device
            return found
        others = (k for k in range(boards) if k != rank)
        return {k: "eth0" for k in others if topology == "mesh" or 0 in (rank, k)}

    def _rank(self, namespace: str) -> int:
        return int(namespace.rpartition("-board")[2])
