# SPDX-License-Identifier: Apache-2.0
"""One estimator: gradient-boosted trees over a sum of simple terms (FlexPie, section 4).

time = max(base * exp(trees(features)), roof, floor) with
    base = (coefficients, never negative) . (terms)
    roof = the most that was ever measured per second, of operations or bytes, reached again
    floor = the least share that was ever measured of the terms that parts cannot have less of

The terms are fitted first, to the least mean relative error; the trees learn what is left of
the logarithm of time. The trees never fall in a growing feature and the terms never fall at
all, so what contains more and has the same other features is never predicted to be faster.
Outside the range of the training the trees are flat, but terms and roof go on growing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from ..errors import CostError
from .rows import Layout, Rows

#: Trees, and how they are grown; chosen by cross-validation on both data sources.
ROUNDS = 200
BOOSTING = {
    "max_depth": 6,
    "eta": 0.1,
    "min_child_weight": 1,
    "reg_lambda": 0.1,
    "tree_method": "hist",
    "max_bin": 512,
    "nthread": 1,
}
#: What the trees minimise. The square of the error finds steps, such as of a cache that
#: overflows; nearly its absolute value is not bent by single odd tiles. (The absolute value
#: itself would not do: xgboost then moves leaves without regard to the constraints.)
LOSSES = {
    "square": {"objective": "reg:squarederror"},
    "absolute": {"objective": "reg:pseudohubererror", "huber_slope": 0.05},
}
#: A sort of rows has coefficients of its own if there are so many rows per term.
ROWS_PER_TERM = 0.5
#: Rows that terms are fitted to; a sample of more would give the same coefficients.
MOST_ROWS = 2000
_TINY = 1e-12


@dataclass(frozen=True)
class Estimator:
    """Trained by `fit`; predicts milliseconds.

    Parameters
    ----------
    layout : Layout
        What it must be given.
    sorts : tuple of str
        Sorts of rows in training.
    coefficients : dict
        Sort, or first word of sorts -> coefficient of each term; ``""`` stands for all others.
    trees : bytes
        The booster, as xgboost writes it.
    rates : numpy.ndarray
        Least milliseconds ever measured per unit of each feature in ``layout.roof``.
    least : dict
        As ``coefficients`` -> least milliseconds ever measured per millisecond that the covered
        terms amount to.
    low, high : numpy.ndarray
        Range of each feature in training.
    """

    layout: Layout
    sorts: tuple[str, ...]
    coefficients: dict[str, np.ndarray]
    trees: bytes
    rates: np.ndarray
    least: dict[str, float]
    low: np.ndarray
    high: np.ndarray

    @staticmethod
    def fit(rows: Rows, ms: np.ndarray, rounds: int = ROUNDS, loss: str = "square") -> Estimator:
        """Train on measured milliseconds, all above 0; ``loss`` is one of `LOSSES`."""
        coefficients = _fit_terms(rows, ms)
        amounts = _amounts(rows, coefficients)
        base = _sum(amounts)
        sorts = tuple(rows.sorts[k] for k in np.unique(rows.sort))
        features = _features(rows.columns, _codes(rows, sorts), base)
        trees = _boost(features, np.log(ms / base), rows.layout, rounds, LOSSES[loss])
        roof = rows.columns[:, [rows.layout.columns.index(n) for n in rows.layout.roof]]
        rates = (ms[:, None] / np.maximum(roof, _TINY)).min(axis=0)
        covered = _sum(amounts[:, : rows.layout.covered])
        least = _least_shares(rows, coefficients, ms / covered)
        low, high = rows.columns.min(axis=0), rows.columns.max(axis=0)
        return Estimator(rows.layout, sorts, coefficients, trees, rates, least, low, high)

    def predict(self, rows: Rows) -> np.ndarray:
        """Milliseconds of each row."""
        rows = rows.under(self.layout)
        amounts = _amounts(rows, self.coefficients)
        base = _sum(amounts)
        times = base * np.exp(self._residual(rows, rows.columns, base))
        return np.maximum.reduce([times, self._roof(rows.columns), self._floor(rows, amounts)])

    def floor(self, whole: Rows) -> np.ndarray:
        """Milliseconds that parts which cover a whole take together at least."""
        whole = whole.under(self.layout)
        return self._floor(whole, _amounts(whole, self.coefficients))

    def _floor(self, rows: Rows, amounts: np.ndarray) -> np.ndarray:
        names = [_own_name(self.least, name) for name in rows.sorts]
        least = np.array([self.least[name] for name in names])[rows.sort]
        return _sum(amounts[:, : self.layout.covered]) * least

    def inside(self, rows: Rows) -> np.ndarray:
        """Whether each row lies in the range of the training, feature by feature."""
        return ((rows.columns >= self.low) & (rows.columns <= self.high)).all(axis=1)

    def to_json(self) -> dict:
        """Plain data."""
        return {
            "layout": asdict(self.layout),
            "sorts": list(self.sorts),
            "coefficients": {k: v.tolist() for k, v in self.coefficients.items()},
            "trees": base64.b64encode(self.trees).decode(),
            "rates": self.rates.tolist(),
            "least": self.least,
            "low": self.low.tolist(),
            "high": self.high.tolist(),
        }

    @staticmethod
    def from_json(data: dict, known: Layout) -> Estimator:
        """Inverse of `to_json`.

        Raises
        ------
        CostError
            If the data was made for features that are not ``known``.
        """
        layout = Layout(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in data["layout"].items()}
        )
        if not known.names_all(layout):
            raise CostError("it was trained on other features: train it again")
        estimator = Estimator(
            layout,
            tuple(data["sorts"]),
            {k: np.array(v, dtype=float) for k, v in data["coefficients"].items()},
            base64.b64decode(data["trees"], validate=True),
            np.array(data["rates"], dtype=float),
            {k: float(v) for k, v in data["least"].items()},
            *(np.array(data[k], dtype=float) for k in ("low", "high")),
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
            and self._booster.num_features() == width + 2
        )
        if not right:
            raise CostError("its estimators contradict themselves")

    @cached_property
    def _booster(self):
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(self.trees))
        except xgboost.core.XGBoostError:
            raise CostError("its trees cannot be read") from None
        return booster

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


def _amounts(rows: Rows, coefficients: Mapping[str, np.ndarray]) -> np.ndarray:
    """What each term adds to the base of each row."""
    table = np.stack([coefficients[_own_name(coefficients, name)] for name in rows.sorts])
    return rows.terms * (table[0] if len(table) == 1 else table[rows.sort])


def _sum(amounts: np.ndarray) -> np.ndarray:
    return np.maximum(amounts.sum(axis=1), _TINY)


def _least_shares(
    rows: Rows, coefficients: Mapping[str, np.ndarray], shares: np.ndarray
) -> dict[str, float]:
    """Least time per covered base (``shares``), of the rows that use each of the coefficients."""
    used = [_own_name(coefficients, name) for name in rows.sorts]
    names = np.array(used)[rows.sort]
    found = {name: float(shares[names == name].min()) for name in set(used) & set(names)}
    return {name: found.get(name, float(shares.min())) for name in coefficients}


def _own_name(groups: Mapping[str, object], sort: str) -> str:
    """Under which name a sort is found: its own, else its first word, else that of all."""
    return next((name for name in (sort, _first_word(sort)) if name in groups), "")


def _first_word(sort: str) -> str:
    return sort.partition(" ")[0]


def _fit_terms(rows: Rows, ms: np.ndarray) -> dict[str, np.ndarray]:
    """Coefficients for all rows, and for sorts and their first words with rows enough."""
    found = {"": _least_relative_error(rows.terms, ms)}
    groups: dict[str, np.ndarray] = {}
    for number, name in enumerate(rows.sorts):
        for group in dict.fromkeys((_first_word(name), name)):
            groups[group] = groups.get(group, False) | (rows.sort == number)
    for name, own in groups.items():
        if name and ROWS_PER_TERM * rows.terms.shape[1] <= own.sum() < len(ms):
            found[name] = _least_relative_error(rows.terms[own], ms[own])
    return found


def _least_relative_error(terms: np.ndarray, ms: np.ndarray) -> np.ndarray:
    """Coefficients, not negative, with the least mean of ``|prediction / ms - 1|``.

    A linear program. Rows that do not fit (a cache that overflows) do not bend the others,
    as they would by least squares; they are left for the trees.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    if len(ms) > MOST_ROWS:
        chosen = np.random.default_rng(0).permutation(len(ms))[:MOST_ROWS]
        terms, ms = terms[chosen], ms[chosen]
    shares = terms / ms[:, None]
    scale = np.where(shares.max(axis=0) > 0, shares.max(axis=0), 1.0)
    part, count = sparse.csr_array(shares / scale), len(ms)
    error = sparse.identity(count, format="csr")
    result = linprog(
        np.concatenate([np.full(terms.shape[1], 1e-6), np.ones(count)]),
        A_ub=sparse.bmat([[part, -error], [-part, -error]], format="csr"),
        b_ub=np.concatenate([np.ones(count), -np.ones(count)]),
        method="highs",
    )
    if not result.success:
        raise CostError(f"the terms of an estimator cannot be fitted: {result.message}")
    return np.maximum(result.x[: terms.shape[1]], 0.0) / scale


def _boost(
    features: np.ndarray, target: np.ndarray, layout: Layout, rounds: int, loss: dict
) -> bytes:
    import xgboost

    fixed = len(layout.columns) + 1 - layout.growing
    settings = {
        **BOOSTING,
        **loss,
        "base_score": float(np.median(target)),
        "monotone_constraints": (1,) * layout.growing + (0,) * fixed + (1,),
    }
    booster = xgboost.train(settings, xgboost.DMatrix(features, target), rounds)
    return bytes(booster.save_raw("ubj"))
