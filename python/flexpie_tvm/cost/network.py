# SPDX-License-Identifier: Apache-2.0
"""Time of transfers over the four topologies, many at once.

``mesh``    every board's link carries what it sends and what it receives (full duplex); the
            busiest link decides.
``ring``    messages move hop by hop the shorter way round; hop k of all messages ends before
            hop k+1 starts, and the busiest link of each hop decides.
``ps``      everything goes to one board and from there to its target, one after the other.
``shared``  one message at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .records import Links, Transfer


def transfer_seconds(transfers: Sequence[Transfer], message: float, packing: float) -> np.ndarray:
    """Seconds of each transfer.

    Parameters
    ----------
    transfers : sequence of Transfer
        Anything; grouped by kind and network and computed together.
    message : float
        Seconds of a board's time per message.
    packing : float
        Bytes per second that a board copies between tensors and sockets.

    Returns
    -------
    seconds : numpy.ndarray
        Shape (transfers,).
    """
    seconds = np.zeros(len(transfers))
    for kind, indices in alike(transfers):
        nbytes = np.stack([transfers[i].nbytes for i in indices]).astype(float)
        sent = nbytes > 0
        wire = wire_seconds(kind, nbytes, transfers[indices[0]].links)
        handled = np.maximum(sent.sum(axis=2).max(axis=1), sent.sum(axis=1).max(axis=1))
        # Copies do not look at run lengths: fewer bytes in shorter runs must not cost more,
        # or a planner could not prune. Learned models see the run lengths.
        pack = np.maximum(nbytes.sum(axis=2).max(axis=1), nbytes.sum(axis=1).max(axis=1))
        seconds[indices] = wire + handled * message + pack / packing
    return seconds


def alike(transfers: Sequence[Transfer]) -> list[tuple[str, list[int]]]:
    """Transfers of one kind over one network: the kind, and their places."""
    groups: dict[tuple[str, int], list[int]] = {}
    for index, item in enumerate(transfers):
        groups.setdefault((item.kind, id(item.links)), []).append(index)
    return [(kind, indices) for (kind, _), indices in groups.items()]


def wire_seconds(kind: str, nbytes: np.ndarray, links: Links) -> np.ndarray:
    """Seconds on the links alone, for stacked transfers of one kind over one network.

    Parameters
    ----------
    kind : {"exchange", "scatter", "gather"}
        What they are.
    nbytes : numpy.ndarray
        Transfers x sources x targets.
    links : Links
        The network.

    Returns
    -------
    seconds : numpy.ndarray
        Shape (transfers,).
    """
    if kind != "exchange":
        return _host(nbytes, links)
    return _WIRES[links.topology](nbytes, nbytes > 0, links)


def _mesh(nbytes: np.ndarray, sent: np.ndarray, links: Links) -> np.ndarray:
    rate, delay = np.array(links.bandwidth) / 8, np.array(links.latency)
    out, into = nbytes.sum(axis=2) / rate, nbytes.sum(axis=1) / rate
    busiest = np.maximum(out.max(axis=1), into.max(axis=1))
    return busiest + _slowest(sent, delay)


def _slowest(sent: np.ndarray, delay: np.ndarray) -> np.ndarray:
    """The longest latency among the messages that are sent."""
    pair = np.maximum(delay[:, None], delay[None, :])
    return (sent * pair).max(axis=(1, 2))


def _ring(nbytes: np.ndarray, sent: np.ndarray, links: Links) -> np.ndarray:
    boards: int = nbytes.shape[1]
    rate, delay = np.array(links.bandwidth) / 8, np.array(links.latency)
    rank = np.arange(boards)
    ahead = (rank[None, :] - rank[:, None]) % boards  # hops going forward
    forward = (ahead <= boards - ahead) & (ahead > 0)
    hops = np.minimum(ahead, boards - ahead)
    seconds = np.zeros(len(nbytes))
    for hop in range(boards // 2):
        worst, wait = np.zeros(len(nbytes)), np.zeros(len(nbytes))
        for chosen, step in ((forward, 1), (~forward, -1)):
            moving = np.where(chosen & (hops > hop), nbytes, 0.0)
            # what source s still carries at this hop crosses the link at s + step * hop
            load = np.roll(moving.sum(axis=2), step * hop, axis=1)
            at = (rank if step == 1 else rank - 1) % boards  # a link belongs to its lower end
            worst = np.maximum(worst, (load / rate[at]).max(axis=1))
            wait = np.maximum(wait, ((load > 0) * delay[at]).max(axis=1))
        seconds += worst + wait
    return seconds


def _ps(nbytes: np.ndarray, sent: np.ndarray, links: Links) -> np.ndarray:
    rate, delay = np.array(links.bandwidth) / 8, np.array(links.latency)
    server = links.server
    up, down = nbytes.copy(), nbytes.copy()
    up[:, server, :] = 0.0
    down[:, :, server] = 0.0
    first = np.maximum(up.sum(axis=(1, 2)) / rate[server], (up.sum(axis=2) / rate).max(axis=1))
    second = np.maximum(down.sum(axis=(1, 2)) / rate[server], (down.sum(axis=1) / rate).max(axis=1))
    wait = (up.sum(axis=2) > 0) * delay, (down.sum(axis=1) > 0) * delay
    return first + second + wait[0].max(axis=1) + wait[1].max(axis=1)


def _shared(nbytes: np.ndarray, sent: np.ndarray, links: Links) -> np.ndarray:
    rate, delay = np.array(links.bandwidth) / 8, np.array(links.latency)
    slow = np.minimum(rate[:, None], rate[None, :])
    late = np.maximum(delay[:, None], delay[None, :])
    return (nbytes / slow + sent * late).sum(axis=(1, 2))


def _host(nbytes: np.ndarray, links: Links) -> np.ndarray:
    """Scatter and gather: the host's link carries all, each board's link its part."""
    parts = nbytes.reshape(len(nbytes), -1)
    own = (parts / (np.array(links.bandwidth) / 8)).max(axis=1)
    total = parts.sum(axis=1) / (links.host_bandwidth / 8)
    busy = total if links.topology != "shared" else np.maximum(total, own)
    return np.maximum(busy, own) + (parts.max(axis=1) > 0) * links.host_latency


_WIRES = {"mesh": _mesh, "ring": _ring, "ps": _ps, "shared": _shared}
