# SPDX-License-Identifier: Apache-2.0
"""One estimator: gradient-boosted trees over a sum of simple terms (FlexPie, section 4).

time = max(reach * exp(trees(features)), roof, floor) with
    base = (coefficients, never negative) . (terms)
    reach = base, or its root, in proportion again beyond the largest base of the training
    roof = the most that was ever measured per second, of operations or bytes, reached again
    floor = the least share that was ever measured of the terms that parts cannot have less of

The terms are fitted first, to the least mean relative error; the trees learn what is left of
the logarithm of time (`boosting`). The trees never fall in a growing feature and the terms never
fall at all, so what contains more and has the same other features is never predicted to be
faster. Outside the range of the training the trees are flat, but terms and roof go on growing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import CostError
from ..files import with_tuples
from .boosting import ROUNDS, WAYS, boost
from .rows import RowLayout, Rows
from .terms import TINY, amounts_of, fit_terms, least_shares, own_name, total
from .trees import Booster, Trees


@dataclass(frozen=True)
class Estimator:
    """Trained by `fit`; predicts milliseconds.

    Parameters
    ----------
    layout : RowLayout
        What it must be given.
    sorts : tuple of str
        Sorts of rows in training.
    coefficients : dict
        Sort, or first word of sorts -> coefficient of each term; ``""`` stands for all others.
    trees : Trees
        What they learned.
    rates : numpy.ndarray
        Least milliseconds ever measured per unit of each feature in ``layout.roof``.
    least : dict
        As ``coefficients`` -> least milliseconds ever measured per millisecond that the covered
        terms amount to.
    low, high : numpy.ndarray
        Range of each feature in training.
    share : float
        Exponent of the base (see `Way`).
    most : float
        Largest base in training.
    """

    layout: RowLayout
    sorts: tuple[str, ...]
    coefficients: dict[str, np.ndarray]
    trees: Trees
    rates: np.ndarray
    least: dict[str, float]
    low: np.ndarray
    high: np.ndarray
    share: float
    most: float

    @staticmethod
    def fit(rows: Rows, ms: np.ndarray, rounds: int = ROUNDS, way: str = "square") -> Estimator:
        """Train on measurements.

        Parameters
        ----------
        rows : Rows
            What was measured.
        ms : numpy.ndarray
            Milliseconds of each row, all above 0; shape (rows,).
        rounds : int
            Trees.
        way : str
            What they learn, one of `WAYS`.

        Raises
        ------
        CostError
            If no sum of terms can be fitted.
        """
        coefficients = fit_terms(rows, ms)
        amounts = amounts_of(rows, coefficients)
        base = total(amounts)
        used: list[int] = np.unique(rows.sort).tolist()
        sorts = tuple(rows.sorts[k] for k in used)
        features = _features(rows.columns, _codes(rows, sorts), base)
        loss, share = WAYS[way].loss, WAYS[way].share
        trees = boost(features, np.log(ms / base**share), rows.layout, rounds, loss)
        roof = rows.columns[:, [rows.layout.columns.index(n) for n in rows.layout.roof]]
        rates = (ms[:, None] / np.maximum(roof, TINY)).min(axis=0)
        covered = total(amounts[:, : rows.layout.covered])
        least = least_shares(rows, coefficients, ms / covered)
        low, high = rows.columns.min(axis=0), rows.columns.max(axis=0)
        most = float(base.max())
        return Estimator(
            rows.layout, sorts, coefficients, trees, rates, least, low, high, share, most
        )

    def grown_to(self, rounds: int) -> Estimator:
        """What `fit` would have made in fewer rounds."""
        return replace(self, trees=self.trees.first(rounds))

    def predict(self, rows: Rows) -> np.ndarray:
        """Milliseconds of each row."""
        rows = rows.under(self.layout)
        amounts = amounts_of(rows, self.coefficients)
        base = total(amounts)
        times = self._reach(base) * np.exp(self._residual(rows, rows.columns, base))
        return np.maximum.reduce([times, self._roof(rows.columns), self._floor(rows, amounts)])

    def _reach(self, base: np.ndarray) -> np.ndarray:
        return base**self.share * np.maximum(base / self.most, 1.0) ** (1 - self.share)

    def floor(self, whole: Rows) -> np.ndarray:
        """Milliseconds that parts which cover a whole take together at least."""
        whole = whole.under(self.layout)
        return self._floor(whole, amounts_of(whole, self.coefficients))

    def _floor(self, rows: Rows, amounts: np.ndarray) -> np.ndarray:
        names = [own_name(self.least, name) for name in rows.sorts]
        least = np.array([self.least[name] for name in names])[rows.sort]
        return total(amounts[:, : self.layout.covered]) * least

    def inside(self, rows: Rows) -> np.ndarray:
        """Whether each row lies in the range of the training, feature by feature."""
        within = (rows.columns >= self.low) & (rows.columns <= self.high)
        return np.asarray(within.all(axis=1))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "layout": asdict(self.layout),
            "sorts": list(self.sorts),
            "coefficients": {k: v.tolist() for k, v in self.coefficients.items()},
            "trees": self.trees.to_json(),
            "rates": self.rates.tolist(),
            "least": self.least,
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "share": self.share,
            "most": self.most,
        }

    @staticmethod
    def from_json(data: dict[str, Any], known: RowLayout) -> Estimator:
        """Inverse of `to_json`.

        Parameters
        ----------
        data : dict
            Of `to_json`.
        known : RowLayout
            What rows have that it will be asked about.

        Raises
        ------
        CostError
            If the data was made for features that are not ``known``, or contradicts itself.
        """
        layout = RowLayout(**with_tuples(data["layout"]))
        if not known.names_all(layout):
            raise CostError("it was trained on other features: train it again")
        estimator = Estimator(
            layout,
            tuple(data["sorts"]),
            {k: np.array(v, dtype=float) for k, v in data["coefficients"].items()},
            Trees.from_json(data["trees"]),
            np.array(data["rates"], dtype=float),
            {k: float(v) for k, v in data["least"].items()},
            np.array(data["low"], dtype=float),
            np.array(data["high"], dtype=float),
            float(data["share"]),
            float(data["most"]),
        )
        estimator._check()
        return estimator

    def _check(self) -> None:
        width, count = len(self.layout.columns), len(self.layout.terms)
        right = (
            "" in self.coefficients
            and all(len(v) == count and (v >= 0).all() for v in self.coefficients.values())
            and self.least.keys() == self.coefficients.keys()
            and all(v >= 0 for v in self.least.values())
            and len(self.rates) == len(self.layout.roof)
            and len(self.low) == len(self.high) == width
            and 0 < self.share <= 1
            and self.most > 0
            and self.trees.width == width + 2
        )
        if not right:
            raise CostError("its estimators contradict themselves")

    @cached_property
    def _booster(self) -> Booster:
        return self.trees.booster()

    def _residual(self, rows: Rows, columns: np.ndarray, base: np.ndarray) -> np.ndarray:
        features = _features(columns, _codes(rows, self.sorts), base)
        return self._booster.inplace_predict(features).astype(float)

    def _roof(self, columns: np.ndarray) -> np.ndarray:
        places = [self.layout.columns.index(name) for name in self.layout.roof]
        return (columns[:, places] * self.rates).max(axis=1)


def _codes(rows: Rows, sorts: Sequence[str]) -> np.ndarray:
    """The number of each row's sort among those of the training; -1 if it is not there."""
    place = {name: k for k, name in enumerate(sorts)}
    return np.array([place.get(name, -1) for name in rows.sorts])[rows.sort]


def _features(columns: np.ndarray, codes: np.ndarray, base: np.ndarray) -> np.ndarray:
    """What the trees see: the columns, the sort, and last the logarithm of the base."""
    features = np.empty((len(columns), columns.shape[1] + 2), dtype=np.float32)
    features[:, :-2] = columns
    features[:, -2] = codes
    features[:, -1] = np.log(base)
    return features
