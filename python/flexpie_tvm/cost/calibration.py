# SPDX-License-Identifier: Apache-2.0
"""A cost model of other boards, corrected by a few measurements on these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CostError
from .corrections import Correction, Corrections, fit_corrections, intensities, sort_of
from .learned import HOST_KINDS, Learned, Origin
from .link_correction import LinkCorrection, fit_link, link_parts
from .records import Setting
from .traces import TileTrace, TransferTrace
from .validate import Score, fold_of, score

#: Fewer tiles than these say nothing; fewer transfers of a kind leave it as it was.
FEWEST_TILES, FEWEST_TRANSFERS = 8, 4
#: How strongly corrections of tiles are drawn to that of all of them; what is held out chooses. A
#: model of just such boards has little to be corrected, and much of that is chance.
DRAWS = 0.5, 2.0, 10.0, 100.0
#: Errors of tiles that take less count as errors of this: what beginning an operator takes. A
#: product of 120 numbers that is told to take a hundred times as long costs an inference nothing.
LEAST_MS = 0.01
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
    off : float
        Mean error on tiles that were held out, relative to their time or to `LEAST_MS` if that
        is more: by it a base is chosen.
    """

    cost: Learned
    tiles: BeforeAfter
    transfers: dict[str, BeforeAfter]
    off: float


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
    return min(found, key=lambda one: one.off)


def _calibrated(
    base: Learned,
    setting: Setting,
    tiles: Sequence[TileTrace],
    transfers: Sequence[TransferTrace],
    calls: tuple[float, float] | None,
) -> Calibrated:
    networks = tuple(dict.fromkeys(trace.transfer.links for trace in transfers))
    known = replace(base.origin, networks=networks or base.origin.networks)
    plain = Learned(base.tiles, base.transfers, base.figures, known, base.unit)
    works = [replace(trace.work, speed=1.0) for trace in tiles]
    rows = _Rows(
        [sort_of(work) for work in works],
        plain.compute(works),
        np.array([trace.ms for trace in tiles]),
        intensities(works),
    )
    rows = _drawn(rows)
    by_sort, compared = rows.fitted(), _compared(rows)
    moved: dict[str, BeforeAfter] = {}
    by_kind: dict[str, LinkCorrection] = {}
    for kind in ("exchange", *HOST_KINDS):
        own = [trace for trace in transfers if trace.transfer.kind == kind and trace.ms > 0]
        if len(own) >= FEWEST_TRANSFERS:
            of_kind = _moves(plain, own)
            moved[kind] = _compared(of_kind)
            if moved[kind].after.mape < moved[kind].before.mape:
                by_kind[kind] = of_kind.fitted()
    errors = {kind: one.after.to_json() for kind, one in {"tiles": compared, **moved}.items()}
    origin = Origin(
        setting, len(tiles), len(transfers), known.networks, errors, base.name
    )  # fmt: skip
    wake, call = calls or (base.figures.wake, base.figures.call)
    figures = replace(base.figures, wake=wake, call=call)
    corrections = Corrections(by_sort, by_kind)
    cost = Learned(base.tiles, base.transfers, figures, origin, base.unit, corrections)
    return Calibrated(cost, compared, moved, off_by(rows.measured, _held_out(rows)))


def _moves(plain: Learned, traces: Sequence[TransferTrace]) -> _Moves:
    transfers = [trace.transfer for trace in traces]
    took, parts = np.array([trace.ms for trace in traces]), link_parts(transfers)
    # over other links than these it is not known to take less than bytes take on these
    return _Moves(np.maximum(plain.exchange(transfers), parts[:, 0]), parts, took)


@dataclass(frozen=True)
class _Rows:
    """What was measured of some sorts of tiles, and what was said of it before."""

    sorts: Sequence[str]
    predicted: np.ndarray
    measured: np.ndarray
    intensity: np.ndarray
    draw: float = 1.0

    def fitted(self) -> dict[str, Correction]:
        if self.draw == np.inf:
            return {}
        return fit_corrections(
            self.sorts, self.predicted, self.measured, self.intensity, self.draw
        )  # fmt: skip

    def corrected(self, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Milliseconds of some rows by what others say."""
        chosen: list[int] = known.tolist()
        sorts = [self.sorts[k] for k in chosen]
        taken = (self.predicted[known], self.measured[known], self.intensity[known])
        rows = _Rows(sorts, *taken, self.draw)
        corrections, times = Corrections(rows.fitted()), np.zeros(len(asked))
        places: list[int] = asked.tolist()
        for number, k in enumerate(places):
            found = corrections.of(self.sorts[k])
            times[number] = found.times(self.predicted[k], self.intensity[k])
        return times


@dataclass(frozen=True)
class _Moves:
    """The same of transfers of one kind, with what they are made of."""

    predicted: np.ndarray
    parts: np.ndarray
    measured: np.ndarray

    def fitted(self) -> LinkCorrection:
        return fit_link(self.predicted, self.parts, self.measured)

    def corrected(self, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Milliseconds of some rows by what others say."""
        rows = _Moves(self.predicted[known], self.parts[known], self.measured[known])
        return rows.fitted().times(self.predicted[asked], self.parts[asked])


def _compared(rows: _Rows | _Moves) -> BeforeAfter:
    before = score(rows.measured, rows.predicted)
    return BeforeAfter(before, score(rows.measured, _held_out(rows)))


def _held_out(rows: _Rows | _Moves) -> np.ndarray:
    """Milliseconds of each row, corrected by rows that it is not among."""
    fold = fold_of(range(len(rows.measured)), min(_FOLDS, len(rows.measured)))
    corrected = np.zeros(len(rows.measured))
    for number in set(fold.tolist()):
        inside = np.flatnonzero(fold == number)
        corrected[inside] = rows.corrected(np.flatnonzero(fold != number), inside)
    return corrected


def _drawn(rows: _Rows) -> _Rows:
    """Drawn as errs least on what is held out; not corrected where none is better than by chance.

    Errors are of logarithms: single odd tiles decide little. A model of just such boards that is
    not a standard error worse than the best correction of it is right as it is.
    """
    ways = [replace(rows, draw=draw) for draw in (*DRAWS, np.inf)]
    off = [np.abs(np.log(_held_out(way) / rows.measured)) for way in ways]
    best = min(range(len(ways)), key=lambda k: float(off[k].mean()))
    more = off[-1] - off[best]
    return ways[-1] if more.mean() <= more.std() / len(more) ** 0.5 else ways[best]


def off_by(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Mean error relative to the time that a tile takes, or to `LEAST_MS` if that is more.

    Parameters
    ----------
    measured, predicted : numpy.ndarray
        Milliseconds.
    """
    return float((np.abs(predicted - measured) / np.maximum(measured, LEAST_MS)).mean())
