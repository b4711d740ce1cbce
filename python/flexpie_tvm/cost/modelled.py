# SPDX-License-Identifier: Apache-2.0
"""Costs of boards that are sold, of which nothing was measured yet.

Cycles of our kernels are counted (``benchmarks/ARM.md``), and the board model (`board_model`) makes
milliseconds of them; a tile is taken to read and write each of its bytes in memory once.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..arrays import Floats
from ..machine import KnownBoard
from ..machine.board_data import pipeline
from .analytic import DENSITY, EFFICIENCY, Analytic
from .board_model import load_fitted
from .host_calls import modelled_calls
from .records import NOT_MEASURED, TileWork

#: Cycles of llvm-mca for a multiply-accumulate of float32 in our convolutions.
CYCLES = {"cortex-a53": 0.61, "cortex-a55": 0.30, "cortex-a72": 0.253, "neoverse-n1": 0.131}
#: Share of that rate that other families of tiles reach.
FAMILIES: Mapping[str, float] = {
    **{family: share / EFFICIENCY["conv"] for family, share in EFFICIENCY.items()},
    "matmul": 1.0,
    "depthwise": 0.4,
}
#: Of its cycles computed plainly, what a convolution takes with Winograd's filtering.
WINOGRAD = 0.4
_LEAST_CHANNELS = 16  # of the input, for Winograd to be taken
_LINE = 64


class Modelled(Analytic):
    """What the board model says of our kernels on one kind of board, all of whose cores work.

    Parameters
    ----------
    board : KnownBoard
        The kind.
    """

    _most_starts = 1

    def __init__(self, board: KnownBoard):
        big, fitted = board.big, load_fitted()[board.key]
        shared = fitted.core / big.cores + fitted.serial * (1 - 1 / big.cores)
        cycle = CYCLES[pipeline(big.mcpu)] * shared / (big.ghz * 1e9)
        line = fitted.wait * 1e-9 / big.cores + fitted.bus * _LINE / (board.memory_bandwidth * 1e9)
        start = fitted.start * 1e3 / (big.ghz * 1e9)
        super().__init__(2e-9 / cycle, _LINE / max(line, 1e-12), start, efficiency=FAMILIES)
        self._wake, self._call = modelled_calls(big.ghz)
        self.name = f"{board.key}, {NOT_MEASURED}"

    def calls(self, boards: int) -> float:
        """What the host spends on calls, and a server of the board's clock."""
        return 1e3 * (self._wake + self._call * boards)

    def least_share(self, other: Modelled) -> float:
        """The least share of what a tile takes on another kind of boards that it takes here.

        Parameters
        ----------
        other : Modelled
            Of that other kind.
        """
        start = self._overhead / other._overhead if other._overhead > 0 else 1.0
        return min(other._peak / self._peak, other._memory / self._memory, start)

    def _busy(
        self, flops: float | Floats, moved: float | Floats, starts: float | Floats
    ) -> float | Floats:
        """Arithmetic and memory one after the other, as the board model has them."""
        return flops / self._peak + moved / self._memory + self._overhead * starts

    def _operations(self, tile: TileWork) -> float:
        share = WINOGRAD if _by_winograd(tile) else 1.0
        rate = self._efficiency[tile.conv_type] * DENSITY.get(tile.dtype, 1.0)
        return share * tile.flops / rate


def _by_winograd(tile: TileWork) -> bool:
    """Whether its kernel filters so. Small ones do not, but none may cost more than a larger."""
    plain = tile.strides == (1, 1) and tile.dilation == (1, 1) and tile.in_hwc[2] >= _LEAST_CHANNELS
    return tile.conv_type == "conv" and tile.kernel == (3, 3) and plain
