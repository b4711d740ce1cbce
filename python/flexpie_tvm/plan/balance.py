# SPDX-License-Identifier: Apache-2.0
"""Uneven splits adjusted to the predicted cost of their tiles.

Shares in proportion to speed are not balanced where cost is not proportional to size (a
board's fixed costs, its edge tiles, rounding). Starting from such a split, elements move
from the slowest board to the one that has most time left, while that helps.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from .candidates import Candidate, Candidates
from .ledger import Ledger
from .scheme import Split


def with_balanced(ledger: Ledger, candidates: Candidates) -> Candidates:
    """Candidates, and for boards that differ also the balanced form of every 1-D split."""
    cluster = ledger.cluster
    if len(set(cluster.speeds)) < 2 and len(set(cluster.kinds)) < 2:
        return candidates
    done: dict[tuple, Candidate | None] = {}
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
            if done[key] is not None:
                found.setdefault(done[key].split, done[key])
        more[tensor] = tuple(found.values())
    return more


def _balanced(ledger: Ledger, index: int, tensor: int, candidate: Candidate) -> Candidate | None:
    split = candidate.split
    if len(split.axes) != 1 or len(split.cuts[0]) < 3:
        return None
    ranks = split.ranks or tuple(range(ledger.boards))
    sizes = [b - a for a, b in pairwise(split.cuts[0])]
    times = _times(ledger, index, tensor, split, sizes)
    step = max(1, max(sizes) // 4)
    while step:
        order = sorted(range(len(sizes)), key=lambda k: times[ranks[k]])
        trial = list(sizes)
        moved = min(step, trial[order[-1]])
        trial[order[-1]] -= moved
        trial[order[0]] += moved
        then = _times(ledger, index, tensor, split, trial)
        if moved and max(then) < max(times):
            sizes, times = trial, then
        else:
            step //= 2
    return replace(candidate, split=_cut(split, sizes), family="")


def _cut(split: Split, sizes: list[int]) -> Split:
    points = [0]
    for size in sizes:
        points.append(points[-1] + size)
    return replace(split, cuts=(tuple(points),))


def _times(ledger: Ledger, index: int, tensor: int, split: Split, sizes: list[int]) -> list[float]:
    shape = ledger.graph.tensors[tensor].shape
    owned = ledger.need(_cut(split, sizes).owned(shape, ledger.boards))
    return ledger.made(index, [(owned,)])[0].times.tolist()
