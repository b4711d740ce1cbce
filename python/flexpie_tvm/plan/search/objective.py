# SPDX-License-Identifier: Apache-2.0
"""What a search adds up: one number per layer and per exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .ledger import Made, Sent


@dataclass(frozen=True)
class Objective:
    """A cost that is the sum of its layers and exchanges.

    Parameters
    ----------
    name : {"latency", "energy", "weighted"}
        ``latency``: the slowest board of each layer, plus every exchange, scatter and gather.
        ``energy``: every board's time, plus all bytes over one link. ``weighted``: a weighted
        sum of the boards' busy times; with weights that sum to 1 its minimum is never above
        the busiest board's time of any plan.
    bandwidth : float
        Bits per second, for ``energy``.
    weights : tuple of float
        Weight of each board, for ``weighted``.
    memory : tuple of float
        Milliseconds charged per byte of weights on each board; empty means none.
    """

    name: str = "latency"
    bandwidth: float = 1e9
    weights: tuple[float, ...] = ()
    memory: tuple[float, ...] = ()

    def compute(self, made: Sequence[Made]) -> np.ndarray:
        """Costs of a layer."""
        if not made:
            return np.zeros(0)
        times = np.array([one.times for one in made])
        if self.name == "latency":
            costs = times.max(axis=1)
        elif self.name == "energy":
            costs = times.sum(axis=1)
        else:
            costs = times @ np.array(self.weights)
        if self.memory:
            costs = costs + np.array([one.weights for one in made]) @ np.array(self.memory)
        return costs

    def exchange(self, sent: Sent) -> np.ndarray:
        """Cost of exchanges."""
        if self.name == "latency":
            return sent.times
        if self.name == "energy":
            return sent.nbytes * 8e3 / self.bandwidth
        return (sent.met @ np.array(self.weights)) * sent.times

    @property
    def host(self) -> float:
        """Factor on the time of scattering and gathering."""
        return 1.0 if self.name == "latency" else 0.0
