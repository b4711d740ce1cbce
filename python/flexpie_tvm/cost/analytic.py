# SPDX-License-Identifier: Apache-2.0
"""Costs from a cluster's figures alone: roofline tiles, and transfers by the busiest link.

Used when no trace matches. It never falls when work grows, so a planner may prune with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import Floats
from ..rules.recurrent import KIND as RECURRENT
from .base import Cost
from .network import transfer_seconds
from .records import Links, TileWork, Transfer

#: Share of peak arithmetic that kinds of operators reach.
EFFICIENCY = {
    "conv": 0.7,
    "pointwise": 0.7,
    "matmul": 0.5,
    "grouped": 0.5,
    "transposed": 0.4,
    "depthwise": 0.25,
    "pool": 0.15,
    "elementwise": 0.15,
    "other": 0.1,
}


#: Numbers that vectors hold, by the type of an operator's results; of others as of float32.
DENSITY = {"float16": 2.0}


class Analytic(Cost):
    """A roofline for tiles and bytes over bandwidth for transfers.

    Parameters
    ----------
    gflops : float
        Peak of a board of speed 1, in 1e9 operations per second.
    memory_bandwidth : float
        Bytes per second between a board's memory and its cores, for speed 1.
    overhead : float
        Seconds to start one operator.
    message : float
        Seconds of a board's time per message it sends or receives.
    packing : float
        Bytes per second that a board copies between tensors and sockets.
    efficiency : mapping of str to float
        Share of the peak that each family of tiles (``conv_type``) reaches.
    """

    name = "analytic"
    monotone = True
    #: Of one layer's kernels, whatever is fused.
    _most_starts = 2

    def __init__(
        self,
        gflops: float = 30.0,
        memory_bandwidth: float = 4e9,
        overhead: float = 5e-6,
        message: float = 2e-5,
        packing: float = 2e9,
        efficiency: Mapping[str, float] = EFFICIENCY,
    ):
        self._peak, self._memory = gflops * 1e9, memory_bandwidth
        self._overhead, self._message, self._packing = overhead, message, packing
        self._efficiency = {**EFFICIENCY, **efficiency}

    def compute(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile: the slower of arithmetic and memory, plus a start."""
        return self.at_full_speed(tiles) / np.array([tile.speed for tile in tiles])

    def at_full_speed(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile on a board of speed 1.

        Parameters
        ----------
        tiles : sequence of TileWork
            Whatever their speed says.

        Returns
        -------
        milliseconds : numpy.ndarray
            Shape (tiles,).
        """
        if not tiles:
            return np.zeros(0)
        rows = [(self._operations(t), t.bytes_moved, self._starts(t)) for t in tiles]
        flops, moved, starts = np.array(rows, dtype=float).T
        return np.asarray(self._busy(flops, moved, starts)) * 1e3

    def _busy(
        self, flops: float | Floats, moved: float | Floats, starts: float | Floats
    ) -> float | Floats:
        # The longer of the two hides the other; a tenth of the shorter stays visible, so
        # that more work is never free.
        arithmetic, memory = flops / self._peak, moved / self._memory
        roof = 0.9 * np.maximum(arithmetic, memory) + 0.1 * (arithmetic + memory)
        return roof + self._overhead * starts

    def exchange(self, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of each transfer over its topology."""
        return transfer_seconds(transfers, self._message, self._packing) * 1e3

    def floor(self, whole: TileWork, speeds: Sequence[float]) -> float:
        """All the layer's work, spread without any loss; each board that works starts once."""
        work = float(self._busy(self._operations(whole), whole.bytes_moved, 0))
        fastest = sorted(speeds, reverse=True)
        return 1e3 * min(
            (work + count * self._overhead) / sum(fastest[:count])
            for count in range(1, len(fastest) + 1)
        )

    def host_floor(self, nbytes: float, links: Links) -> float:
        """Every byte once over the host's link."""
        return nbytes * 8e3 / links.host_bandwidth if links.topology != "shared" else 0.0

    def _operations(self, tile: TileWork) -> float:
        """Operations at the peak of float32 that take as long as a tile's own."""
        return tile.flops / (self._efficiency[tile.conv_type] * DENSITY.get(tile.dtype, 1.0))

    def _starts(self, tile: TileWork) -> int:
        """How often a kernel starts: fused operators together, those of steps one by one."""
        return tile.ops if tile.kind == RECURRENT else min(tile.ops, self._most_starts)
