# SPDX-License-Identifier: Apache-2.0
"""The sum of simple terms that trees correct: its coefficients, and what they amount to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..arrays import Floats
from ..errors import CostError
from ..extras import require
from .rows import Rows

#: A sort of rows has coefficients of its own if there are so many rows per term: of fewer, large
#: tiles decide terms that are all there is to small ones.
ROWS_PER_TERM = 4
#: Rows that terms are fitted to; a sample of more would give the same coefficients.
MOST_ROWS = 2000
TINY = 1e-12


def amounts_of(rows: Rows, coefficients: Mapping[str, np.ndarray]) -> np.ndarray:
    """What each term adds to the base of each row."""
    table = np.stack([coefficients[own_name(coefficients, name)] for name in rows.sorts])
    return rows.terms * (table[0] if len(table) == 1 else table[rows.sort])


def total(amounts: np.ndarray) -> np.ndarray:
    """The base of each row, above 0."""
    return np.maximum(amounts.sum(axis=1), TINY)


def least_shares(
    rows: Rows, coefficients: Mapping[str, np.ndarray], shares: np.ndarray
) -> dict[str, float]:
    """Least time per covered base (``shares``), of the rows that use each of the coefficients."""
    used = [own_name(coefficients, name) for name in rows.sorts]
    names = np.array(used)[rows.sort]
    found = {name: float(shares[names == name].min()) for name in set(used) & set(names)}
    return {name: found.get(name, float(shares.min())) for name in coefficients}


def own_name(groups: Mapping[str, object], sort: str) -> str:
    """Under which name a sort is found: its own, else its first word, else that of all."""
    return next((name for name in (sort, _first_word(sort)) if name in groups), "")


def _first_word(sort: str) -> str:
    return sort.partition(" ")[0]


def fit_terms(rows: Rows, ms: np.ndarray) -> dict[str, np.ndarray]:
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
    sparse, optimize = (require(f"scipy.{part}", "training") for part in ("sparse", "optimize"))
    if len(ms) > MOST_ROWS:
        chosen = np.random.default_rng(0).permutation(len(ms))[:MOST_ROWS]
        terms, ms = terms[chosen], ms[chosen]
    shares = terms / ms[:, None]
    scale = np.where(shares.max(axis=0) > 0, shares.max(axis=0), 1.0)
    part, count = sparse.csr_array(shares / scale), len(ms)
    error = sparse.identity(count, format="csr")
    result = optimize.linprog(
        np.concatenate([np.full(terms.shape[1], 1e-6), np.ones(count)]),
        A_ub=sparse.bmat([[part, -error], [-part, -error]], format="csr"),
        b_ub=np.concatenate([np.ones(count), -np.ones(count)]),
        method="highs",
    )
    if not result.success:
        raise CostError(f"the terms of an estimator cannot be fitted: {result.message}")
    solved: Floats = result.x[: terms.shape[1]]
    return np.maximum(solved, 0.0) / scale
