# SPDX-License-Identifier: Apache-2.0
"""How well an estimator predicts what it was not trained on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ..extras import require
from .boosting import ROUND_SHARES, ROUNDS, WAYS
from .estimator import Estimator
from .rows import Rows

FOLDS = 10
#: Errors that differ by less than this share of themselves are equal.
NO_WORSE = 0.01


@dataclass(frozen=True)
class Score:
    """Errors of predictions, each relative to what was measured.

    Parameters
    ----------
    count : int
        Number of configurations.
    mape, median, p95 : float
        Mean, median and 95th percentile of the relative error (0.05 is 5 %).
    rank : float
        Spearman's rank correlation of predicted and measured.
    """

    count: int
    mape: float
    median: float
    p95: float
    rank: float

    def to_json(self) -> dict[str, float]:
        """Plain data."""
        return asdict(self)


def score(measured: np.ndarray, predicted: np.ndarray) -> Score:
    """Compare predictions with measurements.

    Parameters
    ----------
    measured, predicted : numpy.ndarray
        Milliseconds, all above 0; of the same shape (configurations,).
    """
    errors = np.abs(predicted / measured - 1)
    return Score(
        len(errors),
        float(errors.mean()),
        float(np.median(errors)),
        float(np.quantile(errors, 0.95)),
        _spearman(measured, predicted),
    )


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    if len(set(a.tolist())) < 2 or len(set(b.tolist())) < 2:
        return 1.0  # nothing to put in order
    rankdata = require("scipy.stats", "a rank correlation").rankdata
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def fold_of(groups: Sequence[Hashable], folds: int = FOLDS, seed: int = 0) -> np.ndarray:
    """The fold in which each row is held out: rows of one group are never apart.

    Parameters
    ----------
    groups : sequence of hashable
        Group of each row.
    folds : int
        Number of folds.
    seed : int
        Of the order in which groups are dealt out.

    Returns
    -------
    fold : numpy.ndarray
        Shape (rows,), 0 to ``folds`` - 1.
    """
    numbers: dict[Hashable, int] = {}
    own = np.array([numbers.setdefault(g, len(numbers)) for g in groups], dtype=int)
    order = np.random.default_rng(seed).permutation(len(numbers))
    return order[own] % folds


def held_out(
    rows: Rows,
    ms: np.ndarray,
    groups: Sequence[Hashable] | None = None,
    folds: int = FOLDS,
    rounds: int = ROUNDS,
    way: str = "square",
) -> np.ndarray:
    """Milliseconds of every row, predicted by an estimator that never saw its group.

    Parameters
    ----------
    rows : Rows
        Features and terms.
    ms : numpy.ndarray
        What was measured.
    groups : sequence of hashable, optional
        The configuration of each row; by default every row is one of its own.
    folds : int
        Number of estimators; each is trained on all but its share of the groups.
    rounds : int
        Trees of each.
    way : str
        What they learn, one of `WAYS`.
    """
    return held_out_after(rows, ms, [rounds], groups, folds, way)[rounds]


def held_out_after(
    rows: Rows,
    ms: np.ndarray,
    rounds: Sequence[int],
    groups: Sequence[Hashable] | None = None,
    folds: int = FOLDS,
    way: str = "square",
) -> dict[int, np.ndarray]:
    """The same after several numbers of trees, each estimator being grown once."""
    fold = fold_of(range(len(ms)) if groups is None else groups, folds)
    predicted = {count: np.zeros(len(ms)) for count in rounds}
    for number in range(folds):
        inside = np.flatnonzero(fold == number)
        others = np.flatnonzero(fold != number)
        if len(inside):
            estimator = Estimator.fit(rows.take(others), ms[others], max(rounds), way)
            for count, times in predicted.items():
                times[inside] = estimator.grown_to(count).predict(rows.take(inside))
    return predicted


@dataclass(frozen=True)
class Growth:
    """How an estimator is grown, and what such ones say of what is held out.

    Parameters
    ----------
    way : str
        What its trees learn, one of `WAYS`.
    rounds : int
        Their number.
    predicted : numpy.ndarray
        Milliseconds of each row.
    """

    way: str
    rounds: int
    predicted: np.ndarray


def best_growth(rows: Rows, ms: np.ndarray, folds: int = FOLDS, rounds: int = ROUNDS) -> Growth:
    """The way with the least mean error on what is held out, with as few trees as err as little.

    Parameters
    ----------
    rows : Rows
        Features and terms.
    ms : numpy.ndarray
        What was measured.
    folds : int
        Of the cross-validation.
    rounds : int
        Trees at most; fewer take less time to ask.
    """
    counts = sorted({max(1, round(share * rounds)) for share in ROUND_SHARES})
    tried = [
        Growth(way, count, predicted)
        for way in WAYS
        for count, predicted in held_out_after(rows, ms, counts, None, folds, way).items()
    ]
    errors = [score(ms, one.predicted).mape for one in tried]
    least = min(errors)
    way = tried[errors.index(least)].way
    pairs = zip(tried, errors, strict=True)
    return next(one for one, error in pairs if one.way == way and error <= least * (1 + NO_WORSE))
