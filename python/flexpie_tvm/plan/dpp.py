# SPDX-License-Identifier: Apache-2.0
"""DPP, the dynamic partition planner (FlexPie, section 3.3), for any DAG.

1. Walk the layers from the last to the first. A state says what every board needs of each
   tensor that is already read but not yet made.
2. For each state and each choice for the layer's output: T with a way to own it pays the
   exchange from its owners to the need and computes what is owned; NT pays nothing and
   computes the need.
3. Computing has a cost and adds needs of the layer's inputs; of equal states the cheapest
   stays.
4. The cheapest state before the first layer is the best plan: all that later layers ask of
   earlier ones is in the state, so no other plan can be cheaper.

States are dropped only if they cannot win: dearer than a known plan even with a lower bound
of the rest, or beaten in cost and every need by another. With ``width`` the cheapest states
go on (a beam); ``bound`` then tells how cheap a plan could be that was not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np

from .candidates import Candidate
from .frontier import Frontier, Steps, cheapest_per_key, codes, group_minimum, undominated
from .ledger import Ledger
from .plan import Choice
from .search import Found, Rules

NT = -1
MOST_OPTIONS = 4096  # combinations of choices for the results of one layer
SLACK = 1 + 1e-9  # rounding of sums in different orders


def search(ledger: Ledger, rules: Rules, floors: Sequence[float] = ()) -> Found:
    """Find the cheapest plan.

    Parameters
    ----------
    ledger : Ledger
        Graph, cluster and costs.
    rules : Rules
        What may be chosen.
    floors : sequence of float
        A lower bound of each layer's cost; empty means zeros.
    """
    return _Search(ledger, rules, floors).run()


class _Search:
    def __init__(self, ledger: Ledger, rules: Rules, floors: Sequence[float]):
        self._ledger, self._rules = ledger, rules
        self._graph = ledger.graph
        count = len(ledger.layers)
        self._rest = np.concatenate([[0.0], np.cumsum(floors or [0.0] * count)])
        self._first_reader: dict[int, int] = {}
        for index in reversed(range(count)):
            self._first_reader.update((t, index) for t in ledger.layers[index].reads)
        self._trace: list[tuple[np.ndarray, np.ndarray]] = []
        self._options: list[list[tuple[int, ...]]] = []
        self._bound = float("inf")
        self._states = self._widest = 0
        self._owned: dict[Candidate, dict] = {}

    def run(self) -> Found:
        front = Frontier.start()
        for index in reversed(range(len(self._ledger.layers))):
            front, parents, choices = self._layer(index, front)
            self._trace.append((parents, choices))
            self._states += len(front.costs)
            self._widest = max(self._widest, len(front.costs))
            if not len(front.costs):
                return Found(float("inf"), {}, self._states, self._widest, self._bound)
        best = int(front.costs.argmin())
        cost = float(front.costs[best])
        bound = min(cost, self._bound)
        return Found(cost, self._choices(best), self._states, self._widest, bound)

    def _layer(self, index: int, front: Frontier):
        """Decide one layer for all states."""
        outputs = self._ledger.layers[index].layer.outputs
        options = self._layer_options(outputs)
        self._options.append(options)
        if len(outputs) == 1:
            steps = self._one_output(outputs[0], options, front)
        else:
            steps = self._many_outputs(outputs, options, front)
        following, steps = self._compute(index, front, steps)
        kept = self._prune(index, following, self._fitting(following, outputs, steps))
        return following.take(kept), steps.parent[kept], steps.choice[kept]

    def _layer_options(self, outputs: Sequence[int]) -> list[tuple[int, ...]]:
        per_output = []
        for tensor in outputs:
            ways = list(range(len(self._rules.candidates[tensor])))
            fuse = self._rules.fuse and tensor not in self._graph.outputs
            per_output.append([*ways, NT] if fuse else ways)
        if prod(len(ways) for ways in per_output) <= MOST_OPTIONS:
            return list(product(*per_output))
        # Too many results for every combination: all of them alike, as far as they can be.
        self._bound = min(self._bound, float(self._rest[-1]))
        longest = max(len(ways) for ways in per_output)
        alike = [tuple(w[min(k, len(w) - 1)] for w in per_output) for k in range(longest)]
        return list(dict.fromkeys(alike))

    def _own(self, tensor: int, way: int) -> int:
        """Number of the need that equals what boards own under a candidate."""
        candidate = self._rules.candidates[tensor][way]
        shape = self._graph.tensors[tensor].shape
        known = self._owned.setdefault(candidate, {})
        if shape not in known:
            known[shape] = self._ledger.need(candidate.split.owned(shape, self._ledger.boards))
        return known[shape]

    def _exchange(self, tensor: int, needs: np.ndarray, owned: list[int]) -> np.ndarray:
        """Costs: a row per need, a column per way to own the tensor; gathering included."""
        objective = self._rules.objective
        costs = objective.exchange(self._ledger.sent(tensor, owned, needs.tolist()))
        if tensor in self._graph.outputs:
            costs = costs + self._ledger.host("gather", tensor, owned) * objective.host
        return costs

    def _one_output(self, tensor: int, options, front: Frontier) -> Steps:
        need = front.column(tensor)
        others = [k for k, t in enumerate(front.tensors) if t != tensor]
        ways = [option[0] for option in options if option[0] != NT]
        owned = [self._own(tensor, way) for way in ways]
        needs, inverse = np.unique(need, return_inverse=True)
        values = front.costs[:, None] + self._exchange(tensor, needs, owned)[inverse]
        smallest, row = group_minimum(values, codes(front.keys[:, others]))
        groups = len(smallest)
        parts = [
            Steps(
                row.ravel(),
                smallest.ravel(),
                np.tile(np.array(owned, dtype=np.int64), groups)[:, None],
                np.tile(np.arange(len(ways)), groups),
            )
        ]
        if options[-1][0] == NT:
            every = np.arange(len(front.costs))
            last = np.full(len(every), len(options) - 1)
            parts.append(Steps(every, front.costs, need[:, None], last))
        return Steps.join(parts)

    def _many_outputs(self, outputs, options, front: Frontier) -> Steps:
        columns = [front.column(t) for t in outputs]
        every = np.arange(len(front.costs))
        tables = []
        for tensor, need in zip(outputs, columns, strict=True):
            owned = [self._own(tensor, w) for w in range(len(self._rules.candidates[tensor]))]
            needs, inverse = np.unique(need, return_inverse=True)
            tables.append((owned, self._exchange(tensor, needs, owned)[inverse]))
        parts = []
        for number, option in enumerate(options):
            cost, made = front.costs.copy(), []
            for way, need, (owned, table) in zip(option, columns, tables, strict=True):
                if way == NT:
                    made.append(need)
                else:
                    cost += table[:, way]
                    made.append(np.full(len(every), owned[way]))
            parts.append(
                Steps(every, cost, np.stack(made, axis=1), np.full(len(every), number))
            )
        return Steps.join(parts)

    def _compute(self, index: int, front: Frontier, steps: Steps) -> tuple[Frontier, Steps]:
        """Add the layer's own cost and the needs of what it reads; drop hopeless steps."""
        shape, objective = self._ledger.layers[index], self._rules.objective
        limit = self._rules.limit * SLACK - self._rest[index]
        alive = np.flatnonzero(steps.cost <= limit)
        steps = Steps(
            steps.parent[alive], steps.cost[alive], steps.made[alive], steps.choice[alive]
        )
        code = codes(steps.made)
        keys = np.zeros((int(code.max()) + 1 if len(code) else 0, steps.made.shape[1]), dtype=int)
        keys[code] = steps.made
        made = self._ledger.made(index, [tuple(key) for key in keys.tolist()])
        own = np.array([objective.compute(m) for m in made])
        reads = np.array([m.reads for m in made], dtype=np.int64)
        reads = reads.reshape(len(made), len(shape.reads))
        cost = steps.cost + own[code] if len(code) else steps.cost
        alive = np.flatnonzero(cost <= limit)
        steps = Steps(steps.parent[alive], cost[alive], steps.made[alive], steps.choice[alive])
        return self._next(index, front, steps, reads[code[alive]]), steps

    def _next(self, index: int, front: Frontier, steps: Steps, reads: np.ndarray) -> Frontier:
        """The frontier before a layer, given what each step reads."""
        shape = self._ledger.layers[index]
        columns = {
            t: front.keys[steps.parent, k]
            for k, t in enumerate(front.tensors)
            if t not in shape.layer.outputs
        }
        for k, tensor in enumerate(shape.reads):
            known = columns.get(tensor)
            columns[tensor] = reads[:, k] if known is None else self._hulls(known, reads[:, k])
        cost = steps.cost
        for tensor in shape.reads:
            if tensor in self._graph.inputs and self._first_reader[tensor] == index:
                needs, inverse = np.unique(columns.pop(tensor), return_inverse=True)
                scatter = self._ledger.host("scatter", tensor, needs.tolist())
                cost = cost + scatter[inverse] * self._rules.objective.host
        keys = np.zeros((len(cost), len(columns)), dtype=np.int64)
        for k, column in enumerate(columns.values()):
            keys[:, k] = column
        return Frontier(tuple(columns), keys, cost)

    def _hulls(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        pairs = np.stack([left, right], axis=1)
        code = codes(pairs)
        if not len(code):
            return left
        unique = np.zeros((int(code.max()) + 1, 2), dtype=np.int64)
        unique[code] = pairs
        return np.array([self._ledger.hull(a, b) for a, b in unique.tolist()])[code]

    def _fitting(self, front: Frontier, outputs: Sequence[int], steps: Steps) -> np.ndarray | None:
        """Steps whose live activations fit every board; None means all."""
        if not self._rules.memory or not len(steps.cost):
            return None
        columns = [*zip(front.tensors, front.keys.T, strict=True)]
        columns += zip(outputs, steps.made.T, strict=True)
        live = np.zeros((len(steps.cost), self._ledger.boards))
        for tensor, column in columns:
            needs, inverse = np.unique(column, return_inverse=True)
            live += np.stack([self._ledger.nbytes(tensor, int(n)) for n in needs])[inverse]
        return np.flatnonzero((live <= np.array(self._rules.memory)).all(axis=1))

    def _prune(self, index: int, front: Frontier, fitting: np.ndarray | None) -> np.ndarray:
        if fitting is not None:
            return fitting[self._prune(index, front.take(fitting), None)]
        if not len(front.costs):
            return np.zeros(0, dtype=np.int64)
        rows = cheapest_per_key(front.keys, front.costs)
        rows = rows[front.costs[rows] <= self._rules.limit * SLACK - self._rest[index]]
        if self._ledger.cost.monotone and front.tensors and len(rows) > 1:
            ranks = self._graph.tensors
            kept = undominated(
                front.take(rows), lambda t, n: self._ledger.bounds(n, len(ranks[t].shape))
            )
            rows = rows[kept]
        if self._rules.width and len(rows) > self._rules.width:
            rows = self._narrow(index, front, rows)
        return rows

    def _narrow(self, index: int, front: Frontier, rows: np.ndarray) -> np.ndarray:
        """The states with the best prospects; those that go set the bound."""
        promise = front.costs[rows].copy()
        for k, tensor in enumerate(front.tensors):
            if tensor in self._graph.inputs:
                continue
            needs, inverse = np.unique(front.keys[rows, k], return_inverse=True)
            owned = [self._own(tensor, w) for w in range(len(self._rules.candidates[tensor]))]
            costs = self._exchange(tensor, needs, owned)
            likely = self._rules.likely.get(tensor)
            best = costs.min(axis=1) if likely is None else costs[:, likely]
            promise += best[inverse]
        order = np.argsort(promise, kind="stable")
        lost = float(front.costs[rows[order[self._rules.width :]]].min())
        self._bound = min(self._bound, lost + float(self._rest[index]))
        return rows[np.sort(order[: self._rules.width])]

    def _choices(self, row: int) -> dict[int, Choice]:
        """Follow the best state back from the first layer to the last."""
        choices: dict[int, Choice] = {}
        steps = zip(reversed(self._trace), reversed(self._options), strict=True)
        for index, ((parents, numbers), options) in enumerate(steps):
            option = options[int(numbers[row])]
            for tensor, way in zip(self._ledger.layers[index].layer.outputs, option, strict=True):
                choices[tensor] = self._choice(tensor, way)
            row = int(parents[row])
        return choices

    def _choice(self, tensor: int, way: int) -> Choice:
        if way == NT:
            return Choice("NT")
        candidate = self._rules.candidates[tensor][way]
        return Choice("T", candidate.scheme, candidate.split)

