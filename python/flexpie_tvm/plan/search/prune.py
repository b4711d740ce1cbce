# SPDX-License-Identifier: Apache-2.0
"""Which states and steps of a search go on.

Dropped is what cannot win: dearer than a known plan even with a lower bound of the rest, or
beaten in cost and every need by another state. Only a beam drops more, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..model.scheme import Split
from .frontier import Frontier, Steps, cheapest_per_key, distinct, undominated, unique_rows
from .ledger import Ledger
from .owning import Owning
from .space import SearchSpace
from .upstream import Upstream

SLACK = 1 + 1e-9  # rounding of sums in different orders


class Pruner:
    """Keeps what may still lead to the best plan.

    Attributes
    ----------
    rest : numpy.ndarray
        Lower bound of layers 0 to i - 1, for every i, whatever the state.
    bound : float
        No plan that was dropped though it was hopeful is cheaper than this.
    """

    def __init__(
        self, ledger: Ledger, space: SearchSpace, floors: Sequence[float], upstream: Upstream | None
    ):
        self._ledger, self._space, self._upstream = ledger, space, upstream
        self._graph, self._owning = ledger.graph, Owning(ledger, space)
        self.rest = np.concatenate([[0.0], np.cumsum(floors or [0.0] * len(ledger.layers))])
        self.bound = float("inf")

    def limit(self, index: int) -> float:
        """What may be paid for layers from ``index`` on."""
        return float(self._space.limit * SLACK - self.rest[index])

    def promising(self, index: int, front: Frontier, steps: Steps) -> Steps:
        """Steps that can stay within the limit, before their tiles are worked out."""
        limit, layer = self.limit(index), self._ledger.layers[index].layer
        if not set(layer.outputs) & set(self._graph.outputs):
            limit -= self.rest[index + 1] - self.rest[index]
        steps = steps.take(np.flatnonzero(steps.cost <= limit))
        upstream = self._upstream
        if upstream is None or not upstream.lists(self._space) or len(layer.outputs) != 1:
            return steps
        tensor = layer.outputs[0]
        others = upstream.beside(index, front)[steps.parent]
        ahead = upstream.made(tensor)[steps.choice]
        needs, inverse = distinct(steps.made[:, 0])
        fused = np.isnan(ahead)
        ahead[fused] = upstream.of(tensor, needs.tolist())[inverse][fused]
        hopeful = steps.cost + others + ahead <= self._space.limit * SLACK
        return steps.take(np.flatnonzero(hopeful))

    def promising_parts(self, index: int, front: Frontier, steps: Steps, share: Split) -> Steps:
        """The same for steps that make partial results and have paid for combining them."""
        steps = steps.take(np.flatnonzero(steps.cost <= self.limit(index)))
        if self._upstream is None or steps.made.shape[1] > 1 or not len(steps.cost):
            return steps
        code, keys = unique_rows(steps.made)
        ahead = self._upstream.behind_parts(index, [tuple(k) for k in keys.tolist()], share)
        others = self._upstream.beside(index, front)[steps.parent]
        hopeful = steps.cost + others + ahead[code] <= self._space.limit * SLACK
        return steps.take(np.flatnonzero(hopeful))

    def kept(self, index: int, front: Frontier) -> np.ndarray:
        """Rows of the frontier before layer ``index`` that go on, cheapest first."""
        if not len(front.costs):
            return np.zeros(0, dtype=np.int64)
        rows = cheapest_per_key(front.keys, front.costs)
        left = self._left(index, front.take(rows))
        hopeful = front.costs[rows] + left <= self._space.limit * SLACK
        rows, left = rows[hopeful], left[hopeful]
        if self._ledger.cost.monotone and front.tensors and len(rows) > 1:
            ranks = self._graph.tensors
            kept = undominated(
                front.take(rows), lambda t, n: self._ledger.bounds(n, len(ranks[t].shape))
            )
            rows, left = rows[kept], left[kept]
        if self._space.width and len(rows) > self._space.width:
            rows = self._narrow(front, rows, left)
        return rows

    def _left(self, index: int, front: Frontier) -> np.ndarray:
        """Lower bound of what layers before ``index`` cost, for each state."""
        least = np.full(len(front.costs), float(self.rest[index]))
        if self._upstream is None:
            return least
        return np.maximum(least, self._upstream.rest(index, front))

    def _narrow(self, front: Frontier, rows: np.ndarray, left: np.ndarray) -> np.ndarray:
        """The states with the best prospects; those that go set the bound."""
        guess = self._likely_exchanges(front, rows) if self._upstream is None else left
        order = np.argsort(front.costs[rows] + guess, kind="stable")
        lost = (front.costs[rows] + left)[order[self._space.width :]].min()
        self.bound = min(self.bound, float(lost))
        return rows[np.sort(order[: self._space.width])]

    def _likely_exchanges(self, front: Frontier, rows: np.ndarray) -> np.ndarray:
        """What the exchanges ahead of each state cost if tensors are owned as before."""
        guess = np.zeros(len(rows))
        for k, tensor in enumerate(front.tensors):
            if tensor not in self._graph.inputs:
                needs, inverse = distinct(front.keys[rows, k])
                costs = self._owning.exchange(tensor, needs.tolist())
                likely = self._space.likely.get(tensor)
                best = costs.min(axis=1) if likely is None else costs[:, likely]
                guess += best[inverse]
        return guess
