# SPDX-License-Identifier: Apache-2.0
"""Best plans and the five baselines for one graph, cluster and cost model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ...cost import Analytic, Cost
from ...errors import PlanError
from ...graph import Graph
from ..model.cluster import ClusterSpec
from ..model.plan import Plan, layer_cuttable
from ..model.scheme import KINDS, Split, parse_scheme, split_for
from .balance import with_balanced
from .bounds import Floors, find_floors
from .candidates import (
    Candidate,
    Candidates,
    baseline_candidate,
    board_counts,
    candidates_for,
    shares_for,
)
from .dpp import search
from .fewer import within
from .ledger import Ledger
from .objective import Objective
from .order import predicted_orders
from .space import Found, SearchSpace
from .upstream import Upstream

WIDTHS = (8, 64, 2048)
NEAR, FAR = 1, 3  # layers in mode NT that bounds follow: if they are close, and if not
CLOSE = 1.12  # a plan so near its bound needs no better one before the last search
#: The ways of cutting that are compared, in the paper's order.
BASELINES = ("OutC", "InH/InW", "2D-grid", "fused", "layerwise")
FAMILIES = ("InH", "InW", "OutC", "2D-grid")


class Planner:
    """Searches that share all that has been worked out about a graph.

    Parameters
    ----------
    graph : Graph
        With layers.
    cluster : ClusterSpec
        Boards and links.
    cost : Cost, optional
        Predicts times; by default `Analytic`.
    fewer : bool
        Whether a best plan may leave boards out.
    widths : sequence of int
        States to keep in one search after another, each guided and cut off by the result of
        the one before; the search ends with the first that is exact.
    """

    def __init__(
        self,
        graph: Graph,
        cluster: ClusterSpec,
        cost: Cost | None = None,
        fewer: bool = True,
        widths: Sequence[int] = WIDTHS,
    ):
        self.graph, self.cluster, self.cost = graph, cluster, cost or Analytic()
        self.ledger = Ledger(graph, cluster, self.cost)
        self._fewer, self._widths = fewer, tuple(widths)
        self._floors = find_floors(graph, cluster, self.cost)
        self._candidates: Candidates | None = None
        self._orders = predicted_orders(graph, cluster, self.cost)
        self._shares = shares_for(graph, cluster, fewer, orders=self._orders)

    @property
    def candidates(self) -> Candidates:
        """All ways to own each layer output."""
        if self._candidates is None:
            found = candidates_for(self.graph, self.cluster, self._fewer, self._orders)
            self._candidates = with_balanced(self.ledger, found)
        return self._candidates

    def best(self, objective: Objective | None = None, memory: Sequence[int] = ()) -> Found:
        """The best plan of all; never above a baseline, also where the search is a beam.

        Parameters
        ----------
        objective : Objective, optional
            What is minimised; by default latency.
        memory : sequence of int
            Bytes that activations may take on each board; empty for no limit.

        Raises
        ------
        PlanError
            If no plan keeps its activations within ``memory``.
        """
        space = SearchSpace(
            self.candidates,
            objective=objective or Objective(),
            shares=self._shares,
            memory=tuple(memory),
        )
        known, upstream = self._first_look(space)
        found = self._widening(space, known, upstream)
        if found is None:
            raise PlanError("no plan keeps its activations within the boards' memory")
        if not found.exact and not memory:
            found = self._below_baselines(found, space.objective, upstream)
        return found

    @property
    def teams(self) -> list[tuple[int, ...]]:
        """Ranks of all boards, and of fewer and fewer of those that are best kept."""
        return [self._orders[0][:count] for count in board_counts(self.cluster.boards)]

    def best_of(self, team: Collection[int], limit: float) -> Found | None:
        """The plan of least latency in which no other boards than these take part.

        Parameters
        ----------
        team : collection of int
            Ranks.
        limit : float
            Milliseconds; None is returned if no plan takes less, the host's calls left out.
        """
        ways, shares = within(team, self.candidates, self._shares)
        space = SearchSpace(ways, shares=shares, limit=limit)
        known, upstream = self._first_look(space)
        found = self._widening(space, known, upstream)
        return found if found is not None and found.choices and found.cost < limit else None

    def baseline(self, name: str, objective: Objective | None = None) -> Found:
        """The best plan of one way of cutting, with all boards.

        Parameters
        ----------
        name : str
            ``InH``, ``InW``, ``OutC``, ``2D-grid`` (best grid), ``2D-grid:RxC``, ``Single``,
            ``InH/InW`` (the better of both), ``layerwise`` or ``fused``.
        objective : Objective, optional
            What is minimised; by default latency.

        Raises
        ------
        PlanError
            If the name is unknown.
        """
        found = [
            self._widening(space, *self._first_look(space))
            for space in self._baseline_spaces(name, objective or Objective())
        ]
        return min(filter(None, found), key=lambda one: one.cost)

    def _below_baselines(
        self, found: Found, objective: Objective, upstream: Upstream | None
    ) -> Found:
        """A plan that may not be the best, or the best baseline if that is cheaper."""
        for name in BASELINES:
            for space in self._baseline_spaces(name, objective):
                other = self._widening(replace(space, limit=found.cost), None, upstream)
                if other is not None and other.cost < found.cost:
                    found = replace(other, bound=found.bound)
        return found

    def _baseline_spaces(self, name: str, objective: Objective) -> list[SearchSpace]:
        """What may be chosen in each of the searches that make up a baseline."""
        if name == "layerwise":
            return [SearchSpace(self._layerwise(), False, objective)]
        fuse = name == "fused"
        if name == "InH/InW":
            families = ["InH", "InW"]
        else:
            families = list(FAMILIES) if fuse else [name]
        ways = [way for family in families for way in self._uniform(family)]
        return [SearchSpace(way, fuse, objective) for way in ways]

    def plan(self, found: Found, scheme: str) -> Plan:
        """A search's result as a plan.

        Parameters
        ----------
        found : Found
            What `best` gave.
        scheme : str
            What the plan is called.
        """
        names = self.graph.tensors
        choices = {names[t].name: choice for t, choice in found.choices.items()}
        gap = max(0.0, found.cost / found.bound - 1) if found.bound > 0 else 0.0
        notes = {
            "cost_model": self.cost.name,
            "exact": found.exact,
            "proven": self.cost.proves,
            "gap": gap,
            "states": found.states,
        }
        return Plan(self.cluster, choices, scheme, notes)

    def _first_look(self, space: SearchSpace) -> tuple[Found | None, Upstream | None]:
        """A plan without NT and partial results, soon found, and bounds for what comes next.

        The plan's cost tells later searches which states are hopeless.
        """
        if not self.cost.monotone:
            return None, None
        floors = self._floors_for(space)
        simple = replace(space, width=self._widths[0], fuse=False, shares={})
        found = search(self.ledger, simple, floors.layers(self.graph))
        upstream = Upstream(self.ledger, space, floors, deep=NEAR)
        if found.cost > upstream.least * CLOSE:
            upstream = Upstream(self.ledger, space, floors, deep=FAR)
        return (found if found.choices else None), upstream

    def _floors_for(self, space: SearchSpace) -> Floors:
        return self._floors if space.objective.name == "latency" else Floors()

    def _widening(
        self, space: SearchSpace, best: Found | None, upstream: Upstream | None
    ) -> Found | None:
        """Search after search, from a plan that is known; None if nothing keeps to the limits."""
        floors, states = self._floors_for(space).layers(self.graph), 0
        bound = upstream.least if upstream else 0.0
        if best is not None:
            states, space = best.states, replace(space, limit=min(space.limit, best.cost))
            best = replace(best, bound=min(best.cost, bound))
        for width in self._widths:
            near = best is not None and best.cost <= bound * CLOSE
            if near and width != self._widths[-1]:
                continue
            found = search(self.ledger, replace(space, width=width), floors, upstream)
            states += found.states
            bound = max(bound, found.bound)
            exact = found.bound >= min(found.cost, space.limit)
            if found.choices and (best is None or found.cost <= best.cost):
                likely = _likely(found, space.candidates)
                best, space = found, replace(space, limit=found.cost, likely=likely)
            if best is not None:
                # A search that found nothing below the limit may still have proven it.
                best = replace(best, states=states, bound=min(best.cost, bound))
            if exact:
                break
        return best

    def _uniform(self, family: str) -> list[dict[int, tuple[Candidate, ...]]]:
        """Candidates of the uniform plans of one family."""
        made: list[dict[int, tuple[Candidate, ...]]] = []
        for layer in self.graph.layers:
            cuttable = layer_cuttable(self.graph, layer)
            for tensor in layer.outputs:
                for k, way in enumerate(self._ways(family, tensor, cuttable)):
                    if k == len(made):
                        made.append({})
                    made[k][tensor] = (way,)
        return made

    def _ways(self, family: str, tensor: int, cuttable: frozenset[int]) -> tuple[Candidate, ...]:
        info, cluster = self.graph.tensors[tensor], self.cluster
        if family in FAMILIES:
            return baseline_candidate(family, info, cuttable, cluster)
        if family not in KINDS and not family.startswith("2D-grid:"):
            known = ("auto", *FAMILIES, "Single", "InH/InW", "layerwise", "fused")
            raise PlanError(f"unknown scheme '{family}': choose one of {', '.join(known)}")
        scheme = parse_scheme(family, cluster.boards)
        split = split_for(scheme, info, cuttable, cluster.shares)
        if not split.axes and cluster.by_speed[0]:
            split = replace(split, ranks=cluster.by_speed[:1])
        return (Candidate(str(scheme) if split.axes else "Single", split, "2D-grid"),)

    def _layerwise(self) -> dict[int, tuple[Candidate, ...]]:
        ways: dict[int, dict[Split, Candidate]] = {}
        for family in FAMILIES:
            for uniform in self._uniform(family):
                for tensor, (way,) in uniform.items():
                    ways.setdefault(tensor, {}).setdefault(way.split, way)
        return {tensor: tuple(found.values()) for tensor, found in ways.items()}


def _likely(found: Found, candidates: Candidates) -> dict[int, int]:
    likely: dict[int, int] = {}
    for tensor, choice in found.choices.items():
        if choice.mode == "T" and not choice.is_partial:
            splits = [c.split for c in candidates[tensor]]
            likely[tensor] = splits.index(choice.split)
    return likely
