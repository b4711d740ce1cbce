# SPDX-License-Identifier: Apache-2.0
"""What it costs to bring a tensor from its owners to those who need it, for every way to own it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .ledger import Ledger
from .space import SearchSpace


class Owning:
    """The ways to own tensors of a search space, in the numbers of a ledger."""

    def __init__(self, ledger: Ledger, space: SearchSpace):
        self._ledger, self._space = ledger, space
        self._results = set(ledger.graph.outputs)
        self._owned: dict[int, tuple[int, ...]] = {}

    def owned(self, tensor: int) -> tuple[int, ...]:
        """The need that equals what boards own, for each way."""
        if tensor not in self._owned:
            self._owned[tensor] = tuple(
                self._ledger.owned(tensor, c.split) for c in self._space.candidates[tensor]
            )
        return self._owned[tensor]

    def exchange(self, tensor: int, needs: Sequence[int]) -> np.ndarray:
        """Costs: a row per need, a column per way; of results of the model with gathering."""
        objective, owned = self._space.objective, self.owned(tensor)
        costs = objective.exchange(self._ledger.sent(tensor, owned, needs))
        if tensor in self._results:
            costs = costs + self._ledger.host("gather", tensor, owned) * objective.host
        return costs
