# SPDX-License-Identifier: Apache-2.0
"""Traces of tiles on a board that nobody has: counted under qemu, told in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

from ...cost.board_model import load_fitted, milliseconds
from ...cost.records import MODELLED, Setting
from ...cost.traces import TileTrace
from ...errors import ToolError
from ...fingerprint import kernels_fingerprint
from ...machine import KnownBoard
from ...machine.board_data import counted_as, pipeline
from ...runtime.native import linker_for
from ..profiler.kernels import Batch, CompiledTile
from ..profiler.tile_profile import TileProfiler
from .cpus import CPUS, CountedCpu
from .tile_counts import Counts, count_batch


def modelled_setting(board: KnownBoard, target: str, tvm: str) -> Setting:
    """What is kept with every trace: all cores that inferences run on."""
    return Setting(board.key, target, tvm, board.threads, kernels_fingerprint(), MODELLED)


def counted_like(board: KnownBoard) -> CountedCpu:
    """The processor that a board's tiles are counted on."""
    return CPUS[counted_as(board.big.mcpu)]


class TileModeller(TileProfiler):
    """Builds batches of tiles as a `TileProfiler` does, and counts instead of timing them.

    Parameters
    ----------
    board : KnownBoard
        The board.
    setting : Setting
        Of `modelled_setting`.
    """

    def __init__(self, board: KnownBoard, setting: Setting):
        super().__init__((), setting, linker_for(setting.target))
        self._board, self._fitted = board, load_fitted()[board.key]

    def _timed(self, batches: Sequence[Batch]) -> list[TileTrace]:
        """Traces of compiled tiles; those of a batch that no guest could run count as failed."""
        traces = []
        for batch in batches:
            try:
                counted = self._counted(batch)
            except ToolError:
                self.progress.failed += len(batch.tiles)
                continue
            finally:
                batch.library.unlink()
            traces += [
                self._modelled(tile, counts)
                for tile, counts in zip(batch.tiles, counted, strict=True)
                if counts is not None and sum(counts.cycles.values()) > 0
            ]
        return traces

    def _counted(self, batch: Batch) -> list[Counts | None]:
        return count_batch(batch, counted_like(self._board), pipeline(self._board.big.mcpu))

    def _modelled(self, tile: CompiledTile, counts: Counts) -> TileTrace:
        board = self._board
        ms = milliseconds(counts, self._fitted, board, board.big, board.threads)
        return TileTrace(tile.program.work, ms, 0.0, 1, tile.program.origin, self._setting)
