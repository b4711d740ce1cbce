# SPDX-License-Identifier: Apache-2.0
"""Lower bounds of all that it takes to make what boards need of a tensor.

Every reader of a tensor pays an equal share of what making it costs, all that lies before it
included. So the sum over the readers never counts anything twice, and

    U(t, need) = min over choices for t of
        exchange(t, need) + compute + sum over x that is read of U(x, reads of x) / readers(x)

is no more than the share of the cost of any plan that stands behind this need: if readers want
different things of x, one plan has to serve their hull, which costs no less than each of them
(`Cost.monotone`). A chain has one reader each, and the bound is exact.

1. From the last layer to the first, collect the needs for which U is worked out (*cores*):
   what the ways to own each layer's result read, and what follows if up to ``deep`` layers are
   in mode NT.
2. From the first layer to the last, work out U of all cores. Deeper in mode NT, a core is as
   dear to make as the dearest owned part inside it, at least.
3. Any other need is as dear as the dearest core inside it, at least, and no need is cheaper
   than what layers cost in any plan (`Floors`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...arrays import Floats
from ..model.scheme import Split
from .bounds import Floors
from .frontier import Frontier, distinct, inside
from .ledger import NOTHING, Ledger
from .options import NT, layer_options
from .owning import Owning
from .parts import Key
from .space import SearchSpace

NO_FLOORS = Floors()


class Upstream:
    """Lower bounds for one graph, cluster, cost model and search space.

    Parameters
    ----------
    ledger : Ledger
        Its cost model must be monotone.
    space : SearchSpace
        What may be chosen; limits and widths do not matter.
    floors : Floors
        Lower bounds that hold in any plan; by default zeros.
    deep : int
        How many layers in mode NT are followed exactly: tighter bounds for more work.
    """

    def __init__(
        self, ledger: Ledger, space: SearchSpace, floors: Floors = NO_FLOORS, deep: int = 1
    ):
        self._ledger, self._space, self._deep = ledger, space, deep
        self._graph, self._owning = ledger.graph, Owning(ledger, space)
        self._readers: dict[int, list[int]] = {}
        for index, shape in enumerate(ledger.layers):
            for tensor in shape.reads:
                self._readers.setdefault(tensor, []).append(index)
        self._maker = {
            t: index for index, shape in enumerate(ledger.layers) for t in shape.layer.outputs
        }
        self._compute_floors, self._floors = floors.compute, self._sum_up(floors)
        self._depth = self._collect()
        self._cores = {tensor: list(known) for tensor, known in self._depth.items()}
        self._values: dict[int, dict[int, float]] = {}
        self._made: dict[int, np.ndarray] = {}
        for tensor in self._graph.inputs:
            if tensor in self._cores:
                self._scatter(tensor)
        for index, shape in enumerate(ledger.layers):
            for place in range(len(shape.layer.outputs)):
                self._work_out(index, place)

    @property
    def least(self) -> float:
        """Lower bound of any plan."""
        return float(self.rest(len(self._ledger.layers), Frontier.start())[0])

    def rest(self, index: int, front: Frontier) -> np.ndarray:
        """Lower bound of layers 0 to ``index`` - 1 for each state of the frontier behind them."""
        return self._needed(index, front) + self._results_before(index)

    def beside(self, index: int, front: Frontier) -> np.ndarray:
        """The same but for what stands behind layer ``index``'s one result, the next decided."""
        result = self._ledger.layers[index].layer.outputs[0]
        return self._needed(index + 1, front.without(result)) + self._results_before(index)

    def _needed(self, index: int, front: Frontier) -> np.ndarray:
        """What the readers from layer ``index`` on have to pay for the needs of a frontier."""
        total = np.zeros(len(front.costs))
        for k, tensor in enumerate(front.tensors):
            decided = sum(reader >= index for reader in self._readers.get(tensor, ()))
            needs, inverse = distinct(front.keys[:, k])
            total += (self.of(tensor, needs.tolist()) * decided / self._parts(tensor))[inverse]
        return total

    def made(self, tensor: int) -> np.ndarray:
        """Lower bound behind the exchange, for each option of the layer that makes a tensor.

        The options are those of the space that this was made for (`lists`). Not a number for
        options in mode NT: these depend on the need (`of`).
        """
        return self._made[tensor]

    def lists(self, space: SearchSpace) -> bool:
        """Whether a space offers the same options as those that this was made for.

        Bounds hold for a space that offers less, too, but not `made`, which goes by option.
        """
        mine = self._space
        return (
            space.candidates is mine.candidates
            and space.shares is mine.shares
            and space.fuse == mine.fuse
        )

    def of(self, tensor: int, needs: Sequence[int]) -> np.ndarray:
        """U of each need of a tensor."""
        known = self._values.get(tensor)
        if known is None:
            return np.full(len(needs), self._floors.get(tensor, 0.0))
        todo = [n for n in needs if n not in known]
        if todo:
            known.update(zip(todo, self._within(tensor, todo), strict=True))
        return np.array([known[n] for n in needs])

    def behind_parts(self, index: int, keys: Sequence[Key], share: Split) -> np.ndarray:
        """Lower bound behind the exchange of the partial results for each key of a layer.

        It says what is read and that the layer computes no less than in any plan; tiles are
        not worked out.
        """
        shape = self._ledger.layers[index]
        reads = [self._ledger.part_reads(index, key, share) for key in keys]
        least = np.full(len(keys), self._compute_floors[index] if self._compute_floors else 0.0)
        for k, tensor in enumerate(shape.reads):
            least += self.of(tensor, [one[k] for one in reads]) / self._parts(tensor)
        return least

    def _within(self, tensor: int, needs: Sequence[int]) -> list[float]:
        """The dearest core inside each need."""
        cores = self._cores[tensor]
        values = np.array([self._values[tensor][core] for core in cores])
        least = self._floors.get(tensor, 0.0)
        fits = self._inside(tensor, cores, needs)
        return np.where(fits, values[:, None], least).max(axis=0).tolist()

    def _sum_up(self, floors: Floors) -> Mapping[int, float]:
        """The floors of a tensor's layer and, by their shares, of all before it."""
        sums = {t: floors.host.get(t, 0.0) for t in self._graph.inputs}
        for shape, floor in zip(self._ledger.layers, floors.compute, strict=False):
            before = sum(sums.get(x, 0.0) / self._parts(x) for x in shape.reads)
            share = (floor + before) / len(shape.layer.outputs)
            sums.update((t, share + floors.host.get(t, 0.0)) for t in shape.layer.outputs)
        return sums

    def _parts(self, tensor: int) -> int:
        """Among how many readers the cost of a tensor is divided; the host is one."""
        return len(self._readers.get(tensor, ())) + (tensor in self._graph.outputs)

    def _results_before(self, index: int) -> float:
        """The host's share of the results that layers before ``index`` make."""
        results = {t for t in self._graph.outputs if self._maker.get(t, -1) >= 0}
        return sum(
            float(self.of(t, [NOTHING])[0]) / self._parts(t)
            for t in results
            if self._maker[t] < index
        )

    def _collect(self) -> dict[int, dict[int, int]]:
        """Cores of every tensor, each with the number of layers in mode NT behind it."""
        depth: dict[int, dict[int, int]] = {t: {NOTHING: 0} for t in self._graph.outputs}
        for index in reversed(range(len(self._ledger.layers))):
            shape = self._ledger.layers[index]
            for place, tensor in enumerate(shape.layer.outputs):
                known = depth.setdefault(tensor, {NOTHING: 0})
                starts = [(need, 0) for need in self._owning.owned(tensor)]
                if self._may_fuse(tensor):
                    starts += [(need, d + 1) for need, d in known.items() if d < self._deep]
                for share in (None, *self._shares(index)):
                    # Parts of one box read the same, whoever needs what of the results.
                    asked = starts if share is None else starts[:1]
                    found = self._reads(index, place, [need for need, _ in asked], share)
                    for (_, d), reads in zip(asked, found, strict=True):
                        for x, need in zip(shape.reads, reads, strict=True):
                            cores = depth.setdefault(x, {NOTHING: 0})
                            cores[need] = min(cores.get(need, d), d)
        return depth

    def _may_fuse(self, tensor: int) -> bool:
        return self._space.fuse and tensor not in self._graph.outputs

    def _shares(self, index: int) -> Sequence[Split]:
        layer = self._ledger.layers[index].layer
        if len(layer.outputs) > 1:
            return ()
        return self._space.shares.get(self._graph.ops[layer.anchor].outputs[0], ())

    def _keys(self, index: int, place: int, needs: Iterable[int]) -> list[tuple[int, ...]]:
        """Needs of one output of a layer, nothing of its others."""
        count = len(self._ledger.layers[index].layer.outputs)
        return [tuple(n if k == place else NOTHING for k in range(count)) for n in needs]

    def _reads(
        self, index: int, place: int, needs: Iterable[int], share: Split | None
    ) -> list[tuple[int, ...]]:
        made = self._ledger.made(index, self._keys(index, place, needs), share)
        return [one.reads for one in made]

    def _scatter(self, tensor: int) -> None:
        cores = self._cores[tensor]
        times = self._ledger.host("scatter", tensor, cores) * self._space.objective.host
        self._values[tensor] = dict(zip(cores, times.tolist(), strict=True))

    def _work_out(self, index: int, place: int) -> None:
        """U of the cores of one output of a layer, and of its options behind the exchange."""
        layer = self._ledger.layers[index].layer
        tensor = layer.outputs[place]
        cores, owned = self._cores[tensor], self._owning.owned(tensor)
        exchange = self._owning.exchange(tensor, cores)
        behind: dict[Split | None, np.ndarray] = {None: self._make(index, place, owned)}
        least = (exchange + behind[None]).min(axis=1)
        if self._may_fuse(tensor):
            least = np.minimum(least, self._fused(index, place, behind[None], least))
        for share in self._shares(index):
            behind[share] = self._in_parts(index, owned, share, behind[None])
            if self._graph.ops[layer.anchor].outputs[0] != tensor:
                least = np.minimum(least, (exchange + behind[share]).min(axis=1))
            if self._may_fuse(tensor):
                least = np.minimum(least, self._fused(index, place, behind[share], least, share))
        least = np.maximum(least, self._floors.get(tensor, 0.0))
        self._values[tensor] = dict(zip(cores, least.tolist(), strict=True))
        if len(layer.outputs) == 1:
            options = layer_options(self._graph, layer, self._space)[0]
            self._made[tensor] = np.array([
                np.nan if option.ways[0] == NT else behind[option.share][option.ways[0]]
                for option in options
            ])

    def _fused(
        self, index: int, place: int, behind: Floats, least: Floats, share: Split | None = None
    ) -> Floats:
        """What making each core where it is needed costs at least (mode NT)."""
        tensor = self._ledger.layers[index].layer.outputs[place]
        cores, depth = self._cores[tensor], self._depth[tensor]
        near = [k for k, core in enumerate(cores) if depth[core] < self._deep]
        far = [k for k, core in enumerate(cores) if depth[core] >= self._deep]
        costs, needs = np.zeros(len(cores)), [cores[k] for k in near]
        if share is None:
            costs[near] = self._make(index, place, needs)
        else:
            costs[near] = self._in_parts(index, needs, share, least[near])
        owned, needs = self._owning.owned(tensor), [cores[k] for k in far]
        costs[far] = np.where(self._inside(tensor, owned, needs), behind[:, None], 0).max(axis=0)
        return costs

    def _in_parts(self, index: int, needs: Sequence[int], share: Split, known: Floats) -> Floats:
        """The same for partial results, exact only where they may cost less than ``known``.

        Mostly `behind_parts` says enough, and their tiles are not worked out.
        """
        if not needs:
            return np.zeros(0)
        keys = self._keys(index, 0, needs)
        sent = self._space.objective.exchange(self._ledger.combined(index, keys, share))[:, 0]
        costs = sent + self.behind_parts(index, keys, share)
        exact = costs < known
        chosen = [need for need, one in zip(needs, exact, strict=True) if one]
        costs[exact] = self._make(index, 0, chosen, share) + sent[exact]
        return costs

    def _inside(self, tensor: int, small: Sequence[int], large: Sequence[int]) -> np.ndarray:
        rank = len(self._graph.tensors[tensor].shape)
        if not large:
            return np.zeros((len(small), 0), dtype=bool)
        bounds = self._ledger.bounds
        return inside(*(np.stack([bounds(n, rank) for n in part]) for part in (small, large)))

    def _make(
        self, index: int, place: int, needs: Sequence[int], share: Split | None = None
    ) -> np.ndarray:
        """What computing each need costs at least, with all before it."""
        shape, objective = self._ledger.layers[index], self._space.objective
        if not needs:
            return np.zeros(0)
        keys = self._keys(index, place, needs)
        made = self._ledger.made(index, keys, share)
        costs = objective.compute(made)
        for k, tensor in enumerate(shape.reads):
            costs += self.of(tensor, [one.reads[k] for one in made]) / self._parts(tensor)
        return costs / len(shape.layer.outputs)
