# SPDX-License-Identifier: Apache-2.0
"""The states of a search: what is needed of the tensors whose producers are undecided.

A frontier holds many states at once as arrays: a column per tensor with the number of its
need, a row per state, and the cost of all that is decided so far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

DOMINATORS = 64  # states that others are compared with
FEW = 1 << 16  # numbers that are compared at once rather than board by board


@dataclass(frozen=True, slots=True)
class Frontier:
    """States between two layers.

    Parameters
    ----------
    tensors : tuple of int
        Tensors with a decided consumer and an undecided producer.
    keys : numpy.ndarray
        States x tensors: number of the need (partly known while consumers are undecided).
    costs : numpy.ndarray
        Cost of the decided layers of each state.
    """

    tensors: tuple[int, ...]
    keys: np.ndarray
    costs: np.ndarray

    @staticmethod
    def start() -> Frontier:
        """The one state behind the last layer."""
        return Frontier((), np.zeros((1, 0), dtype=np.int64), np.zeros(1))

    def column(self, tensor: int) -> np.ndarray:
        """Needs of one tensor; zeros if nobody needs it."""
        if tensor not in self.tensors:
            return np.zeros(len(self.costs), dtype=np.int64)
        return self.keys[:, self.tensors.index(tensor)]

    def without(self, tensor: int) -> Frontier:
        """The same states, one tensor left out."""
        others = [k for k, t in enumerate(self.tensors) if t != tensor]
        return Frontier(tuple(self.tensors[k] for k in others), self.keys[:, others], self.costs)

    def take(self, rows: np.ndarray) -> Frontier:
        """Some of the states."""
        return Frontier(self.tensors, self.keys[rows], self.costs[rows])


@dataclass(frozen=True, slots=True)
class Steps:
    """Ways from states to next states, as columns of equal length.

    ``parent`` is the state before, ``cost`` what is paid until the layer's boards compute,
    ``made`` the need computed of each output, ``choice`` the number of the layer's choice.
    """

    parent: np.ndarray
    cost: np.ndarray
    made: np.ndarray
    choice: np.ndarray

    def take(self, rows: np.ndarray) -> Steps:
        """Some of the ways."""
        return Steps(self.parent[rows], self.cost[rows], self.made[rows], self.choice[rows])

    @staticmethod
    def join(parts: Sequence[Steps]) -> Steps:
        """All ways of several sets."""
        return Steps(
            *(
                np.concatenate([getattr(p, name) for p in parts])
                for name in ("parent", "cost", "made", "choice")
            )
        )


def distinct(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different numbers of a column in order, and the place of each row's among them.

    `numpy.unique`, but several times faster for short columns of small numbers, such as needs.
    """
    top = int(column.max()) if len(column) else 0
    if top > 4096 + 8 * len(column):
        return np.unique(column, return_inverse=True)
    seen = np.zeros(top + 1, dtype=bool)
    seen[column] = True
    place = np.cumsum(seen) - 1
    return np.flatnonzero(seen), place[column]


def codes(columns: np.ndarray) -> np.ndarray:
    """Small numbers 0.. that are equal for equal rows."""
    rows, width = columns.shape
    code = np.zeros(rows, dtype=np.int64)
    for k in range(width):
        numbers, column = distinct(columns[:, k])
        code = distinct(code * len(numbers) + column)[1] if k else column
    return code


def unique_rows(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's number, and the different rows in the order of their numbers."""
    code = codes(columns)
    rows = np.zeros((int(code.max()) + 1 if len(code) else 0, columns.shape[1]), dtype=np.int64)
    rows[code] = columns
    return code, rows


def group_minimum(
    values: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest value of each column within each group of rows, and the row it is in.

    Parameters
    ----------
    values : numpy.ndarray
        Rows x columns.
    group : numpy.ndarray
        Group of each row, 0 to G-1, none missing.

    Returns
    -------
    smallest, row : numpy.ndarray
        G x columns.
    """
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    ordered = values[order]
    smallest = np.minimum.reduceat(ordered, starts, axis=0)
    hit = ordered == smallest[group[order]]
    place = np.where(hit, np.arange(len(order))[:, None], len(order))
    return smallest, order[np.minimum.reduceat(place, starts, axis=0)]


def cheapest_per_key(keys: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Rows that are the cheapest of all rows with the same key, cheapest first.

    Parameters
    ----------
    keys : numpy.ndarray
        Rows x numbers, not negative.
    costs : numpy.ndarray
        Of each row.
    """
    if not keys.shape[1]:
        return np.array([int(costs.argmin())])
    code = codes(keys)
    order = np.lexsort((costs, code))
    first = np.ones(len(order), dtype=bool)
    first[1:] = code[order][1:] != code[order][:-1]
    kept = order[first]
    return kept[np.argsort(costs[kept], kind="stable")]


def undominated(front: Frontier, bounds: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """Rows that no cheaper row beats in every need; rows must come cheapest first.

    If a state costs no more and every board needs no more of any tensor, whatever completes
    the other state completes this one for no more (for costs that do not fall when work
    grows). Only the cheapest states are tried as winners: what is kept may still be beaten.

    Parameters
    ----------
    front : Frontier
        States sorted by cost.
    bounds : callable
        (tensor, need) -> boards x axes x (start, stop).
    """
    count = len(front.costs)
    winners = min(count, DOMINATORS)
    beaten = np.ones((winners, count), dtype=bool)
    for k, tensor in enumerate(front.tensors):
        needs, inverse = distinct(front.keys[:, k])
        if len(needs) == 1:
            continue
        box = np.stack([bounds(tensor, int(n)) for n in needs])
        few, few_inverse = distinct(inverse[:winners])
        beaten &= inside(box[few], box)[few_inverse][:, inverse]
    # Of two states that beat each other only the later one goes.
    beaten &= np.arange(winners)[:, None] < np.arange(count)[None, :]
    return np.flatnonzero(~beaten.any(axis=0))


def inside(small: np.ndarray, large: np.ndarray) -> np.ndarray:
    """Which needs lie in which.

    Parameters
    ----------
    small, large : numpy.ndarray
        Needs x boards x axes x (start, stop).

    Returns
    -------
    inside : numpy.ndarray
        Needs of ``small`` x needs of ``large``, bool.
    """
    if small.size * len(large) <= FEW:
        above = small[:, None, ..., 0] >= large[None, ..., 0]
        below = small[:, None, ..., 1] <= large[None, ..., 1]
        return np.asarray((above & below).all(axis=(2, 3)))
    varies = (large != large[0]).any(axis=(0, 3)) | (small != large[0]).any(axis=(0, 3))
    places = np.argwhere(varies)
    # Pairs that fail at one board are not looked at again; boards far apart fail first.
    places = places[np.argsort([_bit_reversed(int(board)) for board, _ in places])]
    one, other = (x.ravel() for x in np.indices((len(small), len(large))))
    for board, axis in places:
        a, b = small[:, board, axis], large[:, board, axis]
        alive = (a[one, 0] >= b[other, 0]) & (a[one, 1] <= b[other, 1])
        one, other = one[alive], other[alive]
    inside = np.zeros((len(small), len(large)), dtype=bool)
    inside[one, other] = True
    return inside


def _bit_reversed(number: int) -> int:
    return int(f"{number:016b}"[::-1], 2)
