# SPDX-License-Identifier: Apache-2.0
"""What an estimator is given: features and terms of many questions, and what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class RowLayout:
    """What the columns of `Rows` are; an estimator keeps that which it was trained with.

    Parameters
    ----------
    columns : tuple of str
        Features.
    growing : int
        The first so many features grow with the work.
    terms : tuple of str
        Quantities that time is roughly a sum of; they all grow with the work.
    covered : int
        Of the first so many terms, parts that cover a whole have together no less.
    roof : tuple of str
        Features whose best measured rate is never exceeded.
    """

    columns: tuple[str, ...]
    growing: int
    terms: tuple[str, ...]
    covered: int
    roof: tuple[str, ...]

    def names_all(self, other: RowLayout) -> bool:
        """Whether everything that another layout names is here, too."""
        return set(other.columns) <= set(self.columns) and set(other.terms) <= set(self.terms)

    def rows(self, value: Mapping[str, np.ndarray], sorts: Sequence[str], sort: np.ndarray) -> Rows:
        """Put named columns in order; ``sort`` is the number in ``sorts`` of each row."""
        columns = np.empty((len(sort), len(self.columns)), dtype=np.float32)
        for place, name in enumerate(self.columns):
            columns[:, place] = value[name]
        terms = np.stack([value[name] for name in self.terms]).T
        return Rows(self, columns, terms, tuple(sorts), sort)


@dataclass(frozen=True)
class Rows:
    """Features and terms of many questions.

    Parameters
    ----------
    layout : RowLayout
        What the columns are.
    columns, terms : numpy.ndarray
        Rows x features, and rows x terms.
    sorts : tuple of str
        Names of sorts; rows of one sort share coefficients.
    sort : numpy.ndarray
        Number of each row's sort.
    """

    layout: RowLayout
    columns: np.ndarray
    terms: np.ndarray
    sorts: tuple[str, ...]
    sort: np.ndarray

    def under(self, layout: RowLayout) -> Rows:
        """The same questions with those columns and terms that another layout names."""
        if layout == self.layout:
            return self
        columns = [self.layout.columns.index(name) for name in layout.columns]
        terms = [self.layout.terms.index(name) for name in layout.terms]
        return replace(
            self, layout=layout, columns=self.columns[:, columns], terms=self.terms[:, terms]
        )

    def term(self, name: str) -> np.ndarray:
        """A term of each row."""
        return self.terms[:, self.layout.terms.index(name)]

    def take(self, chosen: np.ndarray) -> Rows:
        """Some of the rows."""
        return replace(
            self, columns=self.columns[chosen], terms=self.terms[chosen], sort=self.sort[chosen]
        )
