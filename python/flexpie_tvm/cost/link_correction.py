# SPDX-License-Identifier: Apache-2.0
"""What few measurements say of the costs of transfers that were learned on another network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

#: What a prediction's own part is drawn to one by, and the others to zero, in measurements.
DRAW = 0.3
_FAR, _ROUNDS = 0.25, 12


@dataclass(frozen=True)
class LinkCorrection:
    """Milliseconds become ``factor * milliseconds + wire * (those on the links alone) + start``.

    Boards that were measured over fast links tell what messages cost the boards, and little of
    what they take on slow ones. No part is negative: what contains more is never faster.
    """

    factor: float
    wire: float = 0.0
    start: float = 0.0

    def __post_init__(self) -> None:
        parts = (self.factor, self.wire, self.start)
        if not all(0 <= part < float("inf") for part in parts) or not sum(parts):
            raise ValueError(f"correction {self} is out of range")

    def times(self, ms: np.ndarray, wire: np.ndarray) -> np.ndarray:
        """Corrected milliseconds of transfers that are on the links for ``wire``."""
        return self.factor * ms + self.wire * wire + self.start


def fit_link(predicted: np.ndarray, wire: np.ndarray, measured: np.ndarray) -> LinkCorrection:
    """The correction with the least relative error; what lies far from the rest counts less.

    Parameters
    ----------
    predicted, wire, measured : numpy.ndarray
        Milliseconds of each transfer: by the model, on the links alone, and taken; the last
        are above 0.
    """
    shares = np.column_stack([predicted, wire, np.ones(len(measured))]) / measured[:, None]
    scale = np.maximum(np.median(shares, axis=0), 1e-12)
    own = np.array([min(1.0, float(scale[0])), 0.0, 0.0])  # as it was, as far as that is its part
    weights, solved = np.ones(len(measured)), own
    for _ in range(_ROUNDS):
        solved = _least(shares / scale, weights, own)
        off = np.abs(shares / scale @ solved - 1)
        weights = np.minimum(1.0, _FAR / np.maximum(off, 1e-12))
    factor, on_wire, start = (solved / scale).tolist()
    return LinkCorrection(factor, on_wire, start)


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
