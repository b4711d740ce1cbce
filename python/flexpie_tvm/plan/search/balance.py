# SPDX-License-Identifier: Apache-2.0
"""Uneven splits adjusted to the predicted cost of their tiles.

Shares in proportion to speed are not balanced where cost is not proportional to size (a
board's fixed costs, its edge tiles, rounding), and a grid's rows and columns cannot be in
proportion to every board. Starting from such a split, elements move from the slowest board
(of a grid: row or column of boards) to the one that has most time left, while that helps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model.scheme import Split
from .candidates import Candidate, Candidates
from .ledger import Ledger


def with_balanced(ledger: Ledger, candidates: Candidates) -> Candidates:
    """Candidates, and for boards that differ also the balanced form of every split."""
    cluster = ledger.cluster
    if len(set(cluster.speeds)) < 2 and len(set(cluster.kinds)) < 2:
        return candidates
    done: dict[tuple[int, Split], Candidate | None] = {}
    more = dict(candidates)
    for index, shape in enumerate(ledger.layers):
        if len(shape.layer.outputs) != 1:
            continue
        tensor = shape.layer.outputs[0]
        found = {c.split: c for c in candidates[tensor]}
        for candidate in candidates[tensor]:
            key = (shape.kind, candidate.split)
            if key not in done:
                done[key] = _balanced(ledger, index, tensor, candidate)
            balanced = done[key]
            if balanced is not None:
                found.setdefault(balanced.split, balanced)
        more[tensor] = tuple(found.values())
    return more


def _balanced(ledger: Ledger, index: int, tensor: int, candidate: Candidate) -> Candidate | None:
    split = candidate.split
    counts = [len(cut) - 1 for cut in split.cuts]
    if max(counts, default=1) < 2:
        return None
    owners = np.array(split.ranks or range(ledger.boards)).reshape(counts)
    sizes = [np.diff(cut) for cut in split.cuts]
    times = _times(ledger, index, tensor, split, sizes)
    step = max(1, max(int(s.max()) for s in sizes) // 4)
    while step:
        trials = [_moved(sizes, axis, step, times[owners]) for axis in range(len(sizes))]
        then = [_times(ledger, index, tensor, split, trial) for trial in trials]
        best = min(range(len(sizes)), key=lambda axis: then[axis].max())
        if then[best].max() < times.max():
            sizes, times = trials[best], then[best]
        else:
            step //= 2
    return replace(candidate, split=_cut(split, sizes), family="")


def _moved(sizes: list[np.ndarray], axis: int, step: int, times: np.ndarray) -> list[np.ndarray]:
    """Sizes with up to ``step`` elements of one axis moved from its slowest to its fastest part.

    ``times`` are those of the boards of all cells; a part is as slow as its slowest cell.
    """
    parts = times.max(axis=tuple(k for k in range(times.ndim) if k != axis))
    slowest, fastest = int(parts.argmax()), int(parts.argmin())
    moved = min(step, int(sizes[axis][slowest]))
    trial = [one.copy() for one in sizes]
    trial[axis][slowest] -= moved
    trial[axis][fastest] += moved
    return trial


def _cut(split: Split, sizes: list[np.ndarray]) -> Split:
    cuts = tuple((0, *np.cumsum(one).tolist()) for one in sizes)
    return replace(split, cuts=cuts)


def _times(
    ledger: Ledger, index: int, tensor: int, split: Split, sizes: list[np.ndarray]
) -> np.ndarray:
    owned = ledger.owned(tensor, _cut(split, sizes))
    return ledger.made(index, [(owned,)])[0].times
