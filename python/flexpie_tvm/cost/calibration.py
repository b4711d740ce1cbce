# SPDX-License-Identifier: Apache-2.0
"""A cost model of other boards, corrected by a few measurements on these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CostError
from .corrections import Correction, Corrections, fit_corrections, intensities, sort_of
from .learned import HOST_KINDS, Learned, Origin
from .records import Setting
from .traces import TileTrace, TransferTrace
from .validate import Score, fold_of, score

#: Fewer tiles than these say nothing; fewer transfers of a kind leave it as it was.
FEWEST_TILES, FEWEST_TRANSFERS = 8, 4
_FOLDS = 10


@dataclass(frozen=True)
class BeforeAfter:
    """Errors of predictions without and with what was measured.

    Parameters
    ----------
    before : Score
        Of the cost model as it was.
    after : Score
        Of corrections, each by measurements without those that it is compared with.
    """

    before: Score
    after: Score


@dataclass(frozen=True)
class Calibrated:
    """The result of a calibration.

    Parameters
    ----------
    cost : Learned
        Corrected by all measurements.
    tiles : BeforeAfter
        Errors on them.
    transfers : dict
        Kind -> errors on them; of kinds that were measured often enough. One that corrections
        make no better is left as it was.
    """

    cost: Learned
    tiles: BeforeAfter
    transfers: dict[str, BeforeAfter]


def calibrate(
    bases: Sequence[Learned],
    setting: Setting,
    tiles: Sequence[TileTrace],
    transfers: Sequence[TransferTrace] = (),
    calls: tuple[float, float] | None = None,
) -> Calibrated:
    """Correct a cost model: of several that whose corrections err least on what is held out.

    Parameters
    ----------
    bases : sequence of Learned
        Of processors like those of the boards; what corrects them themselves is left out.
    setting : Setting
        The boards.
    tiles, transfers : sequence of traces
        Measured there.
    calls : tuple of float, optional
        Seconds of the host for an inference, and for each board that takes part; by default as
        the model has them.

    Raises
    ------
    CostError
        If there are too few tiles.
    """
    tiles = [trace for trace in tiles if trace.ms > 0]
    if len(tiles) < FEWEST_TILES:
        raise CostError(f"only {len(tiles)} tiles were timed, too few to calibrate by: take longer")
    found = [_calibrated(base, setting, tiles, transfers, calls) for base in bases]
    return min(found, key=lambda one: one.tiles.after.mape)


def _calibrated(
    base: Learned,
    setting: Setting,
    tiles: Sequence[TileTrace],
    transfers: Sequence[TransferTrace],
    calls: tuple[float, float] | None,
) -> Calibrated:
    plain = Learned(base.tiles, base.transfers, base.figures, base.origin, base.unit)
    works = [replace(trace.work, speed=1.0) for trace in tiles]
    rows = _Rows(
        [sort_of(work) for work in works],
        plain.compute(works),
        np.array([trace.ms for trace in tiles]),
        intensities(works),
    )
    by_sort, compared = rows.fitted(), rows.compared()
    moved: dict[str, BeforeAfter] = {}
    for kind in ("exchange", *HOST_KINDS):
        own = [trace for trace in transfers if trace.transfer.kind == kind and trace.ms > 0]
        if len(own) >= FEWEST_TRANSFERS:
            said = plain.exchange([trace.transfer for trace in own])
            took = np.array([trace.ms for trace in own])
            of_kind = _Rows([kind] * len(own), said, took, np.ones(len(own)))
            moved[kind] = of_kind.compared()
            if moved[kind].after.mape < moved[kind].before.mape:
                by_sort[kind] = of_kind.fitted()[kind]
    networks = tuple(dict.fromkeys(trace.transfer.links for trace in transfers))
    errors = {kind: one.after.to_json() for kind, one in {"tiles": compared, **moved}.items()}
    origin = Origin(
        setting,
        len(tiles),
        len(transfers),
        networks or base.origin.networks,
        errors,
        base.name,
    )
    wake, call = calls or (base.figures.wake, base.figures.call)
    figures = replace(base.figures, wake=wake, call=call)
    cost = Learned(base.tiles, base.transfers, figures, origin, base.unit, Corrections(by_sort))
    return Calibrated(cost, compared, moved)


@dataclass(frozen=True)
class _Rows:
    """What was measured of some sorts, and what was said of it before."""

    sorts: Sequence[str]
    predicted: np.ndarray
    measured: np.ndarray
    intensity: np.ndarray

    def take(self, rows: np.ndarray) -> _Rows:
        chosen: list[int] = rows.tolist()
        sorts = [self.sorts[k] for k in chosen]
        return _Rows(sorts, self.predicted[rows], self.measured[rows], self.intensity[rows])

    def fitted(self) -> dict[str, Correction]:
        return fit_corrections(self.sorts, self.predicted, self.measured, self.intensity)

    def compared(self) -> BeforeAfter:
        fold = fold_of(range(len(self.measured)), min(_FOLDS, len(self.measured)))
        corrected = np.zeros(len(self.measured))
        for number in set(fold.tolist()):
            known = Corrections(self.take(np.flatnonzero(fold != number)).fitted())
            inside: list[int] = np.flatnonzero(fold == number).tolist()
            for k in inside:
                found = known.of(self.sorts[k])
                corrected[k] = found.times(self.predicted[k], self.intensity[k])
        before = score(self.measured, self.predicted)
        return BeforeAfter(before, score(self.measured, corrected))
