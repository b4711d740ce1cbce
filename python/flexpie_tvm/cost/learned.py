# SPDX-License-Identifier: Apache-2.0
"""Costs learned from measurements: the i-Estimator and the s-Estimator (FlexPie, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter

import numpy as np

from ..machine import VectorUnit
from .analytic import Analytic
from .base import Cost
from .corrections import Corrections, clipped_intensities, intensities, sort_of
from .estimator import Estimator
from .features import (
    TileKey,
    host_rows,
    rows_and_windows,
    tile_key,
    tile_rows,
    transfer_rows,
)
from .link_correction import least_parts, link_parts
from .memo import Memo
from .network import alike
from .records import MODELLED, NOT_MEASURED, Links, Setting, TileWork, Transfer

HOST_KINDS = ("scatter", "gather")
NO_CORRECTIONS = Corrections({})
_speed = attrgetter("speed")


@dataclass(frozen=True)
class Figures:
    """What the measurements say about a board as a whole, for what no estimator covers.

    Parameters
    ----------
    gflops : float
        Arithmetic rate of plain convolutions, in 1e9 operations per second.
    memory_bandwidth : float
        Bytes per second of operators that only move data.
    overhead : float
        Seconds to start an operator.
    wake : float
        Seconds of the host for an inference.
    call : float
        Seconds for each board that takes part in it.
    several : float
        Seconds more if more than one does.
    """

    gflops: float
    memory_bandwidth: float
    overhead: float
    wake: float = 0.0
    call: float = 0.0
    several: float = 0.0


@dataclass(frozen=True)
class Origin:
    """Where a learned cost model comes from.

    Parameters
    ----------
    setting : Setting
        Board, target, TVM and threads of the measurements.
    tiles, transfers : int
        Configurations that it was trained on.
    networks : tuple of Links
        Networks that its transfers were measured on.
    metrics : dict
        Family of tiles or kind of transfers -> errors on held-out configurations.
    corrects : str
        Name of the cost model that these measurements corrected; empty if they made one.
    """

    setting: Setting
    tiles: int
    transfers: int
    networks: tuple[Links, ...] = ()
    metrics: Mapping[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    corrects: str = ""


class Learned(Cost):
    """Predicts by estimators, one per family of tiles and per kind of transfers.

    Families that were never measured are `Analytic` with the figures of those that were. On a
    network unlike those of the measurements, a transfer takes at least what the figures of
    the network say.

    Parameters
    ----------
    tiles : mapping of str to Estimator
        Family (``conv_type``) -> estimator.
    transfers : mapping of str to Estimator
        ``exchange``, ``scatter``, ``gather`` -> estimator.
    figures : Figures
        For all else.
    origin : Origin
        Where it was measured, and how well it predicts.
    unit : VectorUnit
        Of the boards: what the estimators of tiles were trained with.
    corrections : Corrections
        What later measurements said of its tiles and transfers; none by default.
    """

    monotone, proves = True, False  # real kernels take longer for some smaller tiles

    def __init__(
        self,
        tiles: Mapping[str, Estimator],
        transfers: Mapping[str, Estimator],
        figures: Figures,
        origin: Origin,
        unit: VectorUnit,
        corrections: Corrections = NO_CORRECTIONS,
    ):
        self.tiles, self.transfers, self.unit = dict(tiles), dict(transfers), unit
        self.figures, self.origin, self.corrections = figures, origin, corrections
        modelled = f", {NOT_MEASURED}" if origin.setting.how == MODELLED else ""
        self.name = f"learned ({origin.setting.board_kind}{modelled})"
        if origin.corrects:
            self.name = f"calibrated ({origin.setting.board_kind}, from {origin.corrects})"
        self._elsewhere = Analytic(figures.gflops, figures.memory_bandwidth, figures.overhead)
        self._known_tiles = Memo()
        self._known_transfers: dict[tuple[str, Links], Memo] = {}

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Where it was trained."""
        return (self.origin.setting,)

    def compute(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile; a tile that was asked before is looked up."""
        keys = list(map(tile_key, tiles))
        times = self._known_tiles.answers(
            keys, lambda new: self._tile_times([tiles[i] for i in new], [keys[i] for i in new])
        )
        return times / np.fromiter(map(_speed, tiles), float, len(tiles))

    def exchange(self, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of each transfer; what was asked before is looked up."""
        times = np.zeros(len(transfers))
        for kind, indices in alike(transfers):
            asked = [transfers[i] for i in indices]
            known = self._known_transfers.setdefault((kind, asked[0].links), Memo())
            times[indices] = known.answers(
                [item.nbytes.tobytes() for item in asked], partial(self._new_times, kind, asked)
            )
        return times

    def calls(self, boards: int) -> float:
        """What was measured of a host and its boards."""
        several = self.figures.several if boards > 1 else 0.0
        return 1e3 * (self.figures.wake + self.figures.call * boards + several)

    def floor(self, whole: TileWork, speeds: Sequence[float]) -> float:
        """All the layer's work at its cheapest, spread over all boards."""
        estimator = self.tiles.get(whole.conv_type)
        if estimator is None:
            least = self._elsewhere.floor(whole, speeds)
        else:
            rows = tile_rows([tile_key(whole)], self.unit)
            least = float(estimator.floor(rows)[0]) / sum(speeds)
        correction = self.corrections.of(sort_of(whole))
        return correction.floor(least, float(intensities([whole])[0]), len(speeds))

    def host_floor(self, nbytes: float, links: Links) -> float:
        """So many bytes in as few messages, and as evenly spread, as can be."""
        if nbytes <= 0:
            return 0.0
        wire = nbytes * 8e3 / links.host_bandwidth
        times = [
            float(self.transfers[kind].predict(host_rows(kind, nbytes, links))[0])
            if kind in self.transfers
            else self._elsewhere.host_floor(nbytes, links)
            for kind in HOST_KINDS
        ]
        parts = least_parts(nbytes, len(links.bandwidth), wire)
        known = self.corrections.by_kind
        pairs = zip(HOST_KINDS, times, strict=True)
        least = ((k, np.array([max(t, wire) if k in known else t])) for k, t in pairs)
        times = [float(self.corrections.transfers(k, t, parts)[0]) for k, t in least]
        return min(times) if self._measured(links) else max(min(times), wire)

    def _tile_times(self, tiles: Sequence[TileWork], keys: Sequence[TileKey]) -> np.ndarray:
        """Milliseconds on a board of speed 1."""
        rows, windows = rows_and_windows(keys, self.unit)  # of all at once: twice as fast
        times = np.zeros(len(tiles))
        for family, places in windows.families().items():
            if family in self.tiles:
                times[places] = self.tiles[family].predict(rows.take(places))
            else:
                indices: list[int] = places.tolist()
                times[places] = self._elsewhere.at_full_speed([tiles[i] for i in indices])
        if not self.corrections.by_sort:
            return times
        nbytes = rows.term("bytes_read") + rows.term("bytes_weights") + rows.term("bytes_written")
        dense = clipped_intensities(rows.term("flops"), nbytes)
        return self.corrections.tiles(windows, dense, times)

    def _new_times(self, kind: str, transfers: Sequence[Transfer], new: list[int]) -> np.ndarray:
        return self._transfer_times(kind, [transfers[i] for i in new])

    def _transfer_times(self, kind: str, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of transfers of one kind over one network."""
        if kind in self.transfers:
            found = self.transfers[kind].predict(transfer_rows(transfers))
        else:
            found = self._elsewhere.exchange(transfers)
        parts = link_parts(transfers)
        if kind in self.corrections.by_kind:  # of what was learned elsewhere, with these links
            found = np.maximum(found, parts[:, 0])
        found = self.corrections.transfers(kind, found, parts)
        if kind not in self.transfers or self._measured(transfers[0].links):
            return found
        return np.maximum(found, parts[:, 0] + parts[:, 1])

    def _measured(self, links: Links) -> bool:
        """Whether transfers were measured on a network with such figures."""
        return any(
            other.topology == links.topology
            and min(other.bandwidth) == min(links.bandwidth)
            and max(other.latency) == max(links.latency)
            and other.host_bandwidth == links.host_bandwidth
            for other in self.origin.networks
        )
