# SPDX-License-Identifier: Apache-2.0
"""DPP, the dynamic partition planner (FlexPie, section 3.3), for any DAG.

1. Walk the layers from the last to the first. A state says what every board needs of each
   tensor that is already read but not yet made.
2. For each state and each choice for the layer's output: T with a way to own it pays the
   exchange from its owners to the need and computes what is owned; NT pays nothing and
   computes the need.
   Where the anchor sums over an axis, boards may also make partial results of their shares
   of its input and exchange those (`options`).
3. Computing has a cost and adds needs of the layer's inputs; of equal states the cheapest
   stays.
4. The cheapest state before the first layer is the best plan: all that later layers ask of
   earlier ones is in the state, so no other plan can be cheaper.

States are dropped only if they cannot win: dearer than a known plan even with a lower bound
of the rest, or beaten in cost and every need by another. With ``width`` the cheapest states
go on (a beam); ``bound`` then tells how cheap a plan could be that was not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..model.plan import Choice
from ..model.scheme import Split
from .frontier import (
    Frontier,
    Steps,
    codes,
    distinct,
    group_minimum,
    unique_rows,
)
from .ledger import Ledger
from .options import NT, Option, choices_of, layer_options
from .owning import Owning
from .prune import Pruner
from .space import Found, SearchSpace
from .upstream import Upstream


def search(
    ledger: Ledger,
    space: SearchSpace,
    floors: Sequence[float] = (),
    upstream: Upstream | None = None,
) -> Found:
    """Find the cheapest plan.

    Parameters
    ----------
    ledger : Ledger
        Graph, cluster and costs.
    space : SearchSpace
        What may be chosen.
    floors : sequence of float
        A lower bound of each layer's cost; empty means zeros.
    upstream : Upstream, optional
        A lower bound of what is left to pay in each state, in the same space.
    """
    return _Search(ledger, space, floors, upstream).run()


class _Search:
    def __init__(
        self, ledger: Ledger, space: SearchSpace, floors: Sequence[float], upstream: Upstream | None
    ):
        self._ledger, self._space = ledger, space
        self._owning = Owning(ledger, space)
        self._pruner = Pruner(ledger, space, floors, upstream)
        self._graph = ledger.graph
        count = len(ledger.layers)
        self._first_reader: dict[int, int] = {}
        for index in reversed(range(count)):
            self._first_reader.update((t, index) for t in ledger.layers[index].reads)
        self._trace: list[tuple[np.ndarray, np.ndarray]] = []
        self._options: list[list[Option]] = []
        self._states = self._widest = 0

    def run(self) -> Found:
        front = Frontier.start()
        for index in reversed(range(len(self._ledger.layers))):
            front, parents, choices = self._layer(index, front)
            self._trace.append((parents, choices))
            self._states += len(front.costs)
            self._widest = max(self._widest, len(front.costs))
            if not len(front.costs):
                return Found(float("inf"), {}, self._states, self._widest, self._pruner.bound)
        best = int(front.costs.argmin())
        cost = float(front.costs[best])
        bound = min(cost, self._pruner.bound)
        return Found(cost, self._choices(best), self._states, self._widest, bound)

    def _layer(
        self, index: int, front: Frontier
    ) -> tuple[Frontier, np.ndarray, np.ndarray]:
        """Decide one layer for all states."""
        layer = self._ledger.layers[index].layer
        outputs = layer.outputs
        options, complete = layer_options(self._graph, layer, self._space)
        if not complete:
            self._pruner.bound = min(self._pruner.bound, float(self._pruner.rest[-1]))
        self._options.append(options)
        if len(outputs) == 1:
            steps = self._one_output(outputs[0], options, front)
        else:
            steps = self._many_outputs(outputs, options, front)
        steps = self._pruner.promising(index, front, steps)
        parts = list(self._combined(index, front, steps))
        following, steps = self._compute(index, front, parts)
        fitting = self._fitting(following, outputs, steps)
        kept = fitting[self._pruner.kept(index, following.take(fitting))]
        return following.take(kept), steps.parent[kept], steps.choice[kept]

    def _one_output(self, tensor: int, options: Sequence[Option], front: Frontier) -> Steps:
        need = front.column(tensor)
        others = [k for k, t in enumerate(front.tensors) if t != tensor]
        needs, inverse = distinct(need)
        values = front.costs[:, None] + self._owning.exchange(tensor, needs.tolist())[inverse]
        smallest, row = group_minimum(values, codes(front.keys[:, others]))
        ways = np.array([option.ways[0] for option in options])
        sent = np.flatnonzero(ways != NT)
        columns, groups = ways[sent], len(smallest)
        parts = [
            Steps(
                row[:, columns].ravel(),
                smallest[:, columns].ravel(),
                np.tile(np.array(self._owning.owned(tensor))[columns], groups)[:, None],
                np.tile(sent, groups),
            )
        ]
        every = np.arange(len(front.costs))
        for number in np.flatnonzero(ways == NT):
            last = np.full(len(every), number)
            parts.append(Steps(every, front.costs, need[:, None], last))
        return Steps.join(parts)

    def _many_outputs(
        self, outputs: Sequence[int], options: Sequence[Option], front: Frontier
    ) -> Steps:
        columns = [front.column(t) for t in outputs]
        every = np.arange(len(front.costs))
        tables: list[tuple[tuple[int, ...], np.ndarray]] = []
        for tensor, need in zip(outputs, columns, strict=True):
            needs, inverse = distinct(need)
            table = self._owning.exchange(tensor, needs.tolist())[inverse]
            tables.append((self._owning.owned(tensor), table))
        parts: list[Steps] = []
        for number, option in enumerate(options):
            cost = front.costs.copy()
            made: list[np.ndarray] = []
            for way, need, (owned, table) in zip(option.ways, columns, tables, strict=True):
                if way == NT:
                    made.append(need)
                else:
                    cost += table[:, way]
                    made.append(np.full(len(every), owned[way]))
            parts.append(
                Steps(every, cost, np.stack(made, axis=1), np.full(len(every), number))
            )
        return Steps.join(parts)

    def _combined(
        self, index: int, front: Frontier, steps: Steps
    ) -> Iterator[tuple[Split | None, Steps]]:
        """The steps that make whole results, and those that make parts by each share.

        The latter also pay for the exchange that combines the parts.
        """
        options = self._options[-1]
        shares = list(dict.fromkeys(option.share for option in options))
        numbers = np.array([shares.index(option.share) for option in options])[steps.choice]
        for number, share in enumerate(shares):
            some = steps.take(np.flatnonzero(numbers == number))
            if share is not None and len(some.cost):
                code, keys = unique_rows(some.made)
                sent = self._ledger.combined(index, [tuple(k) for k in keys.tolist()], share)
                cost = some.cost + self._space.objective.exchange(sent)[:, 0][code]
                some = self._pruner.promising_parts(index, front, replace(some, cost=cost), share)
            yield share, some

    def _compute(
        self, index: int, front: Frontier, parts: Sequence[tuple[Split | None, Steps]]
    ) -> tuple[Frontier, Steps]:
        """Add the layer's own cost and the needs of what it reads; drop hopeless steps."""
        shape, objective = self._ledger.layers[index], self._space.objective
        costs: list[np.ndarray] = []
        reads: list[np.ndarray] = []
        for share, some in parts:
            code, keys = unique_rows(some.made)
            made = self._ledger.made(index, [tuple(k) for k in keys.tolist()], share)
            costs.append(some.cost + objective.compute(made)[code])
            read = np.array([m.reads for m in made], dtype=np.int64)
            reads.append(read.reshape(len(made), len(shape.reads))[code])
        cost, steps = np.concatenate(costs), Steps.join([some for _, some in parts])
        alive = np.flatnonzero(cost <= self._pruner.limit(index))
        steps = replace(steps, cost=cost).take(alive)
        return self._next(index, front, steps, np.concatenate(reads)[alive]), steps

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
                needs, inverse = distinct(columns.pop(tensor))
                scatter = self._ledger.host("scatter", tensor, needs.tolist())
                cost = cost + scatter[inverse] * self._space.objective.host
        keys = np.zeros((len(cost), len(columns)), dtype=np.int64)
        for k, column in enumerate(columns.values()):
            keys[:, k] = column
        return Frontier(tuple(columns), keys, cost)

    def _hulls(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        code, unique = unique_rows(np.stack([left, right], axis=1))
        if not len(code):
            return left
        return np.array([self._ledger.hull(a, b) for a, b in unique.tolist()])[code]

    def _fitting(self, front: Frontier, outputs: Sequence[int], steps: Steps) -> np.ndarray:
        """Steps whose live activations fit every board."""
        if not self._space.memory or not len(steps.cost):
            return np.arange(len(steps.cost))
        columns = [*zip(front.tensors, front.keys.T, strict=True)]
        columns += zip(outputs, steps.made.T, strict=True)
        live = np.zeros((len(steps.cost), self._ledger.boards))
        for tensor, column in columns:
            needs, inverse = distinct(column)
            live += np.stack([self._ledger.nbytes(tensor, int(n)) for n in needs])[inverse]
        return np.flatnonzero((live <= np.array(self._space.memory)).all(axis=1))

    def _choices(self, row: int) -> dict[int, Choice]:
        """Follow the best state back from the first layer to the last."""
        choices: dict[int, Choice] = {}
        steps = zip(reversed(self._trace), reversed(self._options), strict=True)
        for index, ((parents, numbers), options) in enumerate(steps):
            layer, option = self._ledger.layers[index].layer, options[int(numbers[row])]
            choices.update(choices_of(self._graph, layer, option, self._space))
            row = int(parents[row])
        return choices
