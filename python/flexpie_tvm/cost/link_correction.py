# SPDX-License-Identifier: Apache-2.0
"""What few measurements say of the costs of transfers that were learned on another network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from itertools import combinations

import numpy as np

from .network import alike, wire_seconds
from .records import Transfer

#: What a prediction's own part is drawn to one by, and the others to zero, in measurements.
DRAW = 0.3
_FAR, _ROUNDS = 0.25, 12
_MEGABYTE = 1e6


@dataclass(frozen=True)
class LinkCorrection:
    """Milliseconds become a sum of what a model says and of what a transfer is made of.

    Boards that were measured over fast links tell what messages cost the boards, and little of
    what they take on slow ones. No part is negative: what contains more is never faster.

    Parameters
    ----------
    factor : float
        Share of what the model says.
    wire : float
        Share of the milliseconds that bytes take on the links alone.
    delay : float
        Share of the links' latencies: those that are given for links are guesses more often than
        their bandwidths are.
    start : float
        Milliseconds.
    busiest : float
        Milliseconds per megabyte of the board that sends and receives most: its copying.
    everything : float
        Milliseconds per megabyte of all messages: what boards that share cores copy one after
        the other, and what a switch does.
    message : float
        Milliseconds per message.
    """

    factor: float
    wire: float = 0.0
    delay: float = 0.0
    start: float = 0.0
    busiest: float = 0.0
    everything: float = 0.0
    message: float = 0.0

    def __post_init__(self) -> None:
        parts = astuple(self)
        if not all(0 <= part < float("inf") for part in parts) or not sum(parts):
            raise ValueError(f"correction {self} is out of range")

    def times(self, ms: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Corrected milliseconds of transfers.

        Parameters
        ----------
        ms : numpy.ndarray
            What the model says; shape (transfers,).
        parts : numpy.ndarray
            What they are made of, as `link_parts` tells.
        """
        wire, delay, busiest, everything, messages = parts.T
        own = self.factor * ms + self.wire * wire + self.delay * delay + self.start
        copied = self.busiest * busiest + self.everything * everything
        return own + copied + self.message * messages


def link_parts(transfers: Sequence[Transfer]) -> np.ndarray:
    """What transfers are made of.

    Returns
    -------
    parts : numpy.ndarray
        Transfers x 5: milliseconds that bytes take on the links alone, those of the links'
        latencies, megabytes that the busiest board sends and receives, those of all messages, and
        messages.
    """
    parts = np.zeros((len(transfers), 5))
    for kind, places in alike(transfers):
        nbytes = np.stack([transfers[k].nbytes for k in places]).astype(float)
        links = transfers[places[0]].links
        at_once = replace(links, latency=(0.0,) * len(links.latency), host_latency=0.0)
        wire = wire_seconds(kind, nbytes, at_once) * 1e3
        parts[places, 0] = wire
        parts[places, 1] = wire_seconds(kind, nbytes, links) * 1e3 - wire
        out, into = nbytes.sum(axis=2), nbytes.sum(axis=1)
        # the host has a side of its own when it scatters or gathers
        both = out + into if out.shape == into.shape else nbytes.reshape(len(places), -1)
        parts[places, 2] = both.max(axis=1) / _MEGABYTE
        parts[places, 3] = out.sum(axis=1) / _MEGABYTE
        parts[places, 4] = (nbytes > 0).sum(axis=(1, 2))
    return parts


def least_parts(nbytes: float, boards: int, wire: float) -> np.ndarray:
    """The least of what scattering or gathering so many bytes is made of, as one row.

    Parameters
    ----------
    nbytes : float
        All bytes.
    boards : int
        Those that they may be spread over.
    wire : float
        Milliseconds that they take on the links alone.
    """
    everything = nbytes / _MEGABYTE
    return np.array([[wire, 0.0, everything / boards, everything, 1.0]])


def fit_link(predicted: np.ndarray, parts: np.ndarray, measured: np.ndarray) -> LinkCorrection:
    """The correction with the least relative error; what lies far from the rest counts less.

    Parameters
    ----------
    predicted, measured : numpy.ndarray
        Milliseconds of each transfer: by the model, and taken; the last are above 0.
    parts : numpy.ndarray
        What they are made of, as `link_parts` tells.
    """
    sums = np.column_stack([predicted, parts, np.ones(len(measured))])
    shares = sums / measured[:, None]
    scale = np.maximum(np.median(shares, axis=0), 1e-12)
    own = np.zeros(shares.shape[1])  # as it was, as far as that is its part
    own[0] = min(1.0, float(scale[0]))
    weights, solved = np.ones(len(measured)), own
    for _ in range(_ROUNDS):
        solved = _least(shares / scale, weights, own)
        off = np.abs(shares / scale @ solved - 1)
        weights = np.minimum(1.0, _FAR / np.maximum(off, 1e-12))
    factor, wire, delay, busiest, everything, message, start = (solved / scale).tolist()
    return LinkCorrection(factor, wire, delay, start, busiest, everything, message)


def _least(shares: np.ndarray, weights: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Weighted least squares of a sum to one with no part below zero: the best of all subsets."""
    left = shares.T @ (weights[:, None] * shares) + DRAW * np.eye(len(own))
    right = shares.T @ weights + DRAW * own
    best, least = own, float("inf")
    for size in range(1, len(own) + 1):
        for chosen in map(list, combinations(range(len(own)), size)):
            found = np.zeros(len(own))
            found[chosen] = np.linalg.solve(left[np.ix_(chosen, chosen)], right[chosen])
            loss = float(found @ left @ found - 2 * right @ found)
            if (found >= 0).all() and loss < least:
                best, least = found, loss
    return best
