# SPDX-License-Identifier: Apache-2.0
"""From measurements to a learned cost model, and how well it predicts what it never saw."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Generic, TypeVar

import numpy as np

from ..errors import CostError
from ..machine import AVX512, VectorUnit, described
from ..machine.processors import vector_unit
from .analytic import Analytic
from .boosting import ROUNDS
from .estimator import Estimator
from .features import tile_key, tile_rows, transfer_rows
from .learned import Figures, Learned, Origin
from .records import Setting, TileWork, Transfer
from .rows import Rows
from .traces import (
    ModelTrace,
    TileTrace,
    TransferTrace,
    tile_configuration,
    transfer_configuration,
)
from .validate import FOLDS, Score, best_growth, score
from .whole_models import WholeModel, whole_models

#: Repeats of a tile that differ by more (see `TileTrace.spread`) were disturbed: not used.
MOST_SPREAD = 0.15
#: Fewer configurations of a family than this teach nothing; it is left to `Analytic`.
FEWEST = 20

Record = TypeVar("Record", TileWork, Transfer)
Trace = TypeVar("Trace", TileTrace, TransferTrace)
#: Records of each family or kind, and their milliseconds.
_Families = dict[str, tuple[list[Record], np.ndarray]]


@dataclass(frozen=True)
class HeldOut(Generic[Record]):
    """Predictions of configurations by estimators that never saw them.

    Parameters
    ----------
    part : str
        Family of the tiles (``conv``, ...) or kind of the transfers (``exchange``, ...).
    records : list
        What was predicted: `TileWork` or `Transfer`.
    measured, predicted : numpy.ndarray
        Milliseconds.
    """

    part: str
    records: list[Record]
    measured: np.ndarray
    predicted: np.ndarray

    @property
    def score(self) -> Score:
        """Errors of all of them."""
        return score(self.measured, self.predicted)


@dataclass(frozen=True)
class Trained:
    """A cost model, trained on everything, and the check by cross-validation.

    Parameters
    ----------
    cost : Learned
        The cost model.
    tiles, transfers : list of HeldOut
        Per family and kind; every configuration is held out once.
    skipped : dict
        Families and kinds with too few configurations -> how many there were.
    models : list of WholeModel
        Models that were timed whole.
    """

    cost: Learned
    tiles: list[HeldOut[TileWork]]
    transfers: list[HeldOut[Transfer]]
    skipped: dict[str, int]
    models: list[WholeModel]


def train(
    tiles: Sequence[TileTrace],
    transfers: Sequence[TransferTrace] = (),
    models: Sequence[ModelTrace] = (),
    folds: int = FOLDS,
    rounds: int = ROUNDS,
    progress: Callable[[str], None] = lambda part: None,
) -> Trained:
    """Train estimators on the traces of one setting.

    Parameters
    ----------
    tiles, transfers, models : sequence of traces
        From `read_tiles`, `read_transfers` and `read_models`.
    folds : int
        Parts of the cross-validation, which is grouped by configuration.
    rounds : int
        Trees of each estimator at most; fewer where the last ones teach nothing.
    progress : callable
        Gets the name of each part before it is trained.

    Raises
    ------
    CostError
        If there are too few traces, or traces of several settings.
    """
    setting = _only_setting([*tiles, *transfers, *models])
    works, work_ms = _by_configuration(tiles, lambda t: t.work, tile_configuration)
    works = [tile_configuration(work) for work in works]
    moved, moved_ms = _by_configuration(transfers, lambda t: t.transfer, transfer_configuration)
    families = _parted(works, [work.conv_type for work in works], work_ms)
    kinds = _parted(moved, [transfer.kind for transfer in moved], moved_ms)
    skipped = {part: len(ms) for part, (_, ms) in {**families, **kinds}.items() if len(ms) < FEWEST}
    parts = _Parts(folds, rounds, progress)
    unit = unit_of(setting)
    tile_models = parts.fit(families, lambda items: tile_rows(list(map(tile_key, items)), unit))
    transfer_models = parts.fit(kinds, transfer_rows)
    if not tile_models:
        raise CostError(f"{len(works)} tiles are too few to learn from: profile longer")
    held_tiles = [held for _, held in tile_models.values()]
    held_transfers = [held for _, held in transfer_models.values()]
    origin = Origin(
        setting,
        len(works),
        len(moved),
        tuple(dict.fromkeys(transfer.links for transfer in moved)),
        {held.part: held.score.to_json() for held in (*held_tiles, *held_transfers)},
    )
    cost = Learned(
        {part: model for part, (model, _) in tile_models.items()},
        {part: model for part, (model, _) in transfer_models.items()},
        fit_figures(works, work_ms),
        origin,
        unit,
    )
    known = {
        work: float(ms)
        for held in held_tiles
        for work, ms in zip(held.records, held.predicted, strict=True)
    }
    return Trained(cost, held_tiles, held_transfers, skipped, whole_models(models, cost, known))


def unit_of(setting: Setting) -> VectorUnit:
    """The vector unit of a setting's target; the widest of processors that are not known."""
    target = described(setting.target)
    return vector_unit(target.triple, target.mcpu, target.mattr) or AVX512


def fit_figures(tiles: Sequence[TileWork], ms: np.ndarray) -> Figures:
    """The figures with which `Analytic` has the least mean relative error.

    One figure after the other is moved in shrinking steps while that helps.
    """
    found = Figures(30.0, 4e9, 5e-6)

    def error(figures: Figures) -> float:
        return score(ms, analytic(figures).compute(tiles)).mape

    least, step = error(found), 4.0
    while step > 1.05:
        before = least
        for name in ("gflops", "memory_bandwidth", "overhead"):
            for factor in (step, 1 / step):
                trial: Figures = replace(found, **{name: getattr(found, name) * factor})
                if (now := error(trial)) < least:
                    found, least = trial, now
        if least == before:
            step **= 0.5
    return found


def analytic(figures: Figures) -> Analytic:
    """`Analytic` with measured figures."""
    return Analytic(figures.gflops, figures.memory_bandwidth, figures.overhead)


@dataclass(frozen=True)
class _Parts:
    folds: int
    rounds: int
    progress: Callable[[str], None]

    def fit(
        self, parts: _Families[Record], rows_of: Callable[[list[Record]], Rows]
    ) -> dict[str, tuple[Estimator, HeldOut[Record]]]:
        """An estimator per part with configurations enough, and its cross-validation."""
        made: dict[str, tuple[Estimator, HeldOut[Record]]] = {}
        for part, (records, ms) in sorted(parts.items()):
            if len(ms) < FEWEST:
                continue
            self.progress(part)
            rows = rows_of(records)
            best = best_growth(rows, ms, self.folds, self.rounds)
            held = HeldOut(part, records, ms, best.predicted)
            made[part] = Estimator.fit(rows, ms, best.rounds, best.way), held
        return made


def _only_setting(traces: Sequence[TileTrace | TransferTrace | ModelTrace]) -> Setting:
    settings = list(dict.fromkeys(trace.setting for trace in traces))
    if not settings:
        raise CostError("the trace store is empty: 'flexpie profile' fills it")
    if len(settings) > 1:
        kinds = ", ".join(
            f"'{s.board_kind}' ({s.target}, {s.threads} threads, kernels {s.kernels or 'unknown'})"
            for s in settings
        )
        raise CostError(f"the traces are of several boards or targets: choose one of {kinds}")
    return settings[0]


def _by_configuration(
    traces: Iterable[Trace],
    record_of: Callable[[Trace], Record],
    key_of: Callable[[Record], Hashable],
) -> tuple[list[Record], np.ndarray]:
    """Every configuration once, with the median of its measurements."""
    groups: dict[Hashable, list[Trace]] = {}
    for trace in traces:
        if trace.ms > 0 and trace.spread <= MOST_SPREAD:
            groups.setdefault(key_of(record_of(trace)), []).append(trace)
    records = [record_of(group[0]) for group in groups.values()]
    return records, np.array([median(t.ms for t in group) for group in groups.values()])


def _parted(records: list[Record], names: Sequence[str], ms: np.ndarray) -> _Families[Record]:
    parts: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        parts.setdefault(name, []).append(index)
    return {name: ([records[i] for i in indices], ms[indices]) for name, indices in parts.items()}
