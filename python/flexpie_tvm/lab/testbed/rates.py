# SPDX-License-Identifier: Apache-2.0
"""Measure links by a short transfer."""

from __future__ import annotations

import socket
import threading
import time

from .commands import inside
from .network import BoardNetwork

SECONDS = 0.12
LEAST_BYTES = 200_000
CHUNK = 1 << 16
TRIES, ENOUGH = 5, 0.93
PATIENCE = 20.0


def measure_rates(network: BoardNetwork) -> dict[str, float]:
    """Bits per second of payload on every link, both ways, one after the other.

    A board's and the host's link are measured against the switch, so that each shows its own
    rate. A TCP stream carries 1448 bytes of payload in 1514 on the wire: 95.6% of the rate.

    Returns
    -------
    rates : dict
        ``board0 up``, ``board0 down``, ``host up``, ..., ``board0-board1 up`` -> bits/s;
        ``up`` is from the board named first.
    """
    tracker = (network.switch, network.tracker_address)
    sides = {"host": (None, network.host_address)}
    for rank in range(network.options.boards):
        sides[f"board{rank}"] = (network.board(rank), network.address(rank))
    ways = {name: (side, tracker) for name, side in sides.items()}
    for cable in network.ring_cables:
        first, second = cable.name.split("-")
        ways[cable.name] = (sides[first], sides[second])
    asked = {cable.name: cable.rate for cable in network.cables}
    rates = {}
    for name, (near, far) in ways.items():
        rates[f"{name} up"] = _best(near, far, asked[name])
        rates[f"{name} down"] = _best(far, near, asked[name])
    return rates


def _best(source: tuple, target: tuple, asked: float) -> float:
    """The best of a few transfers: other work on this machine slows one, nothing speeds it up.

    Each is twice as long as the one before: what scheduling costs at its ends counts less.
    """
    rate = 0.0
    for attempt in range(TRIES):
        rate = max(rate, measure(source, target, asked, SECONDS * 2**attempt))
        if rate >= ENOUGH * asked:
            break
    return rate


def measure(source: tuple, target: tuple, asked: float, seconds: float) -> float:
    """Bits per second of payload from one (namespace, address) to another.

    Parameters
    ----------
    source, target : (str or None, str)
        Namespace (None: ours) and address.
    asked : float
        What the link should do, bits/s.
    seconds : float
        How long that would take for what is sent.
    """
    size = max(LEAST_BYTES, int(asked * seconds / 8))
    with _socket(target[0]) as listener, _socket(source[0]) as sender:
        for end in (listener, sender):
            end.settimeout(PATIENCE)
        listener.bind((target[1], 0))
        listener.listen(1)
        sender.bind((source[1], 0))
        sender.connect(listener.getsockname())
        receiver, _ = listener.accept()
        receiver.settimeout(PATIENCE)
        thread = threading.Thread(target=_send, args=(sender, size), daemon=True)
        # From before the first byte leaves until the last is here: a receiver that wakes up late
        # finds bytes waiting, so timing from its first byte would tell too much.
        start = time.perf_counter()
        thread.start()
        with receiver:
            _receive(receiver, size)
        took = time.perf_counter() - start
        thread.join(PATIENCE)
    return size * 8 / took


def _socket(namespace: str | None) -> socket.socket:
    if namespace is None:
        return socket.socket()
    return inside(namespace, socket.socket)


def _send(sender: socket.socket, size: int) -> None:
    chunk = memoryview(bytes(CHUNK))
    while size:
        size -= sender.send(chunk[: min(size, CHUNK)])


def _receive(receiver: socket.socket, size: int) -> None:
    buffer = bytearray(CHUNK)
    while size:
        got = receiver.recv_into(buffer)
        if not got:
            raise ConnectionError("a link's test transfer was cut off")
        size -= got
