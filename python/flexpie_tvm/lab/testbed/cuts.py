# SPDX-License-Identifier: Apache-2.0
"""Links of a testbed that are cut, and mended again, while its boards are up.

Cuts are made at the switch, as if somebody pulled a cable there: no device of a board goes away,
what boards send is just not delivered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import InputError
from .commands import run
from .network import BoardNetwork

HOST = "host"


@contextmanager
def link_cut(network: BoardNetwork, first: int, second: int) -> Iterator[None]:
    """Two boards do not reach each other while it lasts; all others reach both.

    Parameters
    ----------
    network : BoardNetwork
        Of a testbed that is up, in which any board reaches any other (``mesh``).
    first, second : int
        The boards.

    Raises
    ------
    InputError
        If it is of another topology.
    ClusterError
        If the kernel refuses.
    """
    if network.options.topology != "mesh":
        raise InputError("links between boards are cut in a mesh: elsewhere they are apart")
    try:
        for rank in (first, second):  # isolated ports reach all but each other
            _set_apart(network, rank, "on")
        yield
    finally:
        for rank in (first, second):
            _set_apart(network, rank, "off")


@contextmanager
def cable_cut(network: BoardNetwork, end: int | str) -> Iterator[None]:
    """A board, or the host, reaches nobody while it lasts.

    Parameters
    ----------
    network : BoardNetwork
        Of a testbed that is up.
    end : int or {"host"}
        Whose cable to the switch.

    Raises
    ------
    ClusterError
        If the kernel refuses.
    """
    port = HOST if end == HOST else f"board{end}"
    try:
        run("ip", "-n", network.switch, "link", "set", port, "down")
        yield
    finally:
        run("ip", "-n", network.switch, "link", "set", port, "up")


def _set_apart(network: BoardNetwork, rank: int, how: str) -> None:
    run("bridge", "-n", network.switch, "link", "set", "dev", f"board{rank}", "isolated", how)
