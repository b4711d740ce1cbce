# SPDX-License-Identifier: Apache-2.0
"""Which links a message crosses, and what each board passes on.

``mesh``    every board has a link with every other: straight.
``ring``    boards have links with their two neighbours: the shorter way round; by
            way of the next rank to the board right across.
``ps``      every board has a link with the server: by way of it.
``shared``  one medium that everybody hears (Wi-Fi): straight. The medium lets one board speak
            at a time, so nothing needs to be scheduled here.

A board passes messages on inside the exchange that they belong to. A board that neither sends
nor receives in an exchange, but lies on the way of one of its messages, takes part in it too.
"""

from __future__ import annotations

from dataclasses import dataclass

from .cluster import ClusterSpec
from .geometry import Exchange, Message


@dataclass(frozen=True, slots=True)
class Forwarding:
    """A message that a board passes on.

    ``hops`` counts the links that it has crossed when it is here; ``before`` and ``after``
    are the boards that it comes from and goes on to.

    Parameters
    ----------
    message : Message
        What is passed on.
    before, after : int
        Ranks.
    hops : int
        1 at the first board on the way.
    """

    message: Message
    before: int
    after: int
    hops: int


@dataclass(frozen=True)
class Routes:
    """The ways of messages over a cluster's links.

    Parameters
    ----------
    topology : {"mesh", "ring", "ps", "shared"}
        What is linked with what.
    boards : int
        Number of boards.
    server : int
        The board in the middle of ``ps``.
    """

    topology: str
    boards: int
    server: int = 0

    def path(self, source: int, target: int) -> tuple[int, ...]:
        """The boards that a message visits, both ends included.

        Parameters
        ----------
        source, target : int
            Ranks.
        """
        if self.topology == "ring":
            return self._around(source, target)
        if self.topology == "ps" and self.server not in (source, target):
            return (source, self.server, target)
        return (source, target)

    def relays(self, exchange: Exchange, board: int) -> tuple[Forwarding, ...]:
        """What a board passes on in an exchange.

        Parameters
        ----------
        exchange : Exchange
            The exchange.
        board : int
            Its rank.
        """
        found: list[Forwarding] = []
        for message in exchange.messages:
            path = self.path(message.source, message.target)
            if board in path[1:-1]:
                hops = path.index(board)
                found.append(Forwarding(message, path[hops - 1], path[hops + 1], hops))
        return tuple(found)

    def meets(self, exchange: Exchange, board: int) -> bool:
        """True if a board sends, receives or passes on anything in an exchange.

        Parameters
        ----------
        exchange : Exchange
            The exchange.
        board : int
            Its rank.
        """
        return any(board in self.path(m.source, m.target) for m in exchange.messages)

    def _around(self, source: int, target: int) -> tuple[int, ...]:
        ahead = (target - source) % self.boards
        step = 1 if ahead <= self.boards - ahead else -1
        hops = min(ahead, self.boards - ahead)
        return tuple((source + step * k) % self.boards for k in range(hops + 1))


def routes_of(cluster: ClusterSpec) -> Routes:
    """The routes of a cluster.

    Parameters
    ----------
    cluster : ClusterSpec
        Its topology decides, and with ``ps`` its server.
    """
    return Routes(cluster.topology, cluster.boards, cluster.links.server)
