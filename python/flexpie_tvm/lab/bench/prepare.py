# SPDX-License-Identifier: Apache-2.0
"""A network made ready for a cluster: one artifact per distinct plan, and TVM's own build."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tvm

from ...compiler import Prepared as Ready
from ...compiler import import_model, partition, prepare
from ...cost import Cost
from ...frontend.imported_model import ImportedModel
from ...graph import Graph
from ...plan import ClusterSpec, Plan, Timeline, routes_of
from ...plan.predict.simulate import simulate
from ...relay import Partitioned
from ...relay.targets import targets_of
from ...runtime import (
    Artifact,
    BuildCache,
    Whole,
    build,
    build_single,
    is_artifact,
    load_artifact,
)
from .grid import Case
from .networks import Network


@dataclass(frozen=True)
class CompiledWay:
    """One way of partitioning.

    Parameters
    ----------
    artifact : Artifact
        What runs. It may have been built for an equal plan on another network.
    graph, plan : Graph, Plan
        What the planner decided for this cluster.
    build_s : float
        Seconds to plan and compile; 0 if the artifact was there.
    """

    artifact: Artifact
    graph: Graph
    plan: Plan
    build_s: float

    @property
    def fingerprint(self) -> str:
        """Equal for equal plans: the name of the artifact."""
        return self.artifact.path.stem

    @property
    def predicted_ms(self) -> float | None:
        """What the planner says of it, end to end."""
        return self.plan.notes.get("predicted_ms")

    def timeline(self, cost: Cost) -> Timeline:
        """When every board does what, as the cost model predicts it."""
        return simulate(self.graph, self.plan, cost)


class BenchModel:
    """An imported network and what has been compiled of it.

    Parameters
    ----------
    network : Network
        The model.
    target : str
        TVM target of the boards.
    folder : Path
        Keeps artifacts between cases and runs.
    say : callable
        Told what is being done.
    cache : BuildCache, optional
        Where kernels that ways of cutting have in common are kept; by default each builds its own.
    """

    def __init__(
        self,
        network: Network,
        target: str,
        folder: Path,
        say: Callable[[str], object],
        cache: BuildCache | None = None,
    ):
        self.network, self._target, self._folder, self._say = network, target, folder, say
        self._cache = cache
        folder.mkdir(parents=True, exist_ok=True)

    @cached_property
    def _model(self) -> ImportedModel:
        return import_model(self.network.path, self.network.shapes)

    @cached_property
    def _ready(self) -> Ready:
        return prepare(self._model, targets_of(self._target))

    @cached_property
    def inputs(self) -> dict[str, np.ndarray]:
        """Random inputs, the same every time."""
        rng = np.random.default_rng(0)
        return {
            p.name_hint: _random(rng, p.checked_type) for p in self._model.module["main"].params
        }

    def whole(self) -> Whole:
        """The model made ready for one board, by TVM alone and by us."""
        path = self._folder / f"{_digest(self.network, self._target)}.so"
        if not path.is_file():
            self._say(f"{self.network.name}: compiling for one board")
            scratch = path.with_suffix(".part.so")
            build_single(self._model.module, self._target, scratch)
            scratch.rename(path)
        ours = self.plan("Single", ClusterSpec(1), None).artifact
        return Whole(self._target, path, ours, self.network.path)

    def partition(
        self, way: str, cluster: ClusterSpec, cost: Cost | None, plan: Plan | None = None
    ) -> Partitioned:
        """The model cut in a way, or by a plan; nothing is compiled."""
        return partition(self._ready.layers, cluster, way, cost, plan=plan)

    def plan(
        self, way: str, cluster: ClusterSpec, cost: Cost | None, plan: Plan | None = None
    ) -> CompiledWay:
        """Plan and compile a way of partitioning, or compile a plan; an equal one only once."""
        start, doing = time.perf_counter(), f"{Case(self.network, cluster).id}, {way}"
        self._say(f"{doing}: planning")
        cut = self.partition(way, cluster, cost, plan)
        plan = cut.plan
        # links' figures are the planner's alone: what is compiled is tiles and routes
        choices = sorted((name, repr(choice)) for name, choice in plan.choices.items())
        name = _digest(self.network, self._target, asdict(routes_of(cluster)), choices)
        path, seconds = self._folder / f"{name}.flexpie", 0.0
        if not is_artifact(path):
            self._say(f"{doing}: compiling")
            build(cut, self._target, path, self._model.outputs, cache=self._cache)
            seconds = time.perf_counter() - start
        return CompiledWay(load_artifact(path), cut.graph, plan, seconds)


def plan_ways(
    prepared: BenchModel, ways: Sequence[str], cluster: ClusterSpec, cost: Cost | None
) -> Mapping[str, CompiledWay]:
    """All ways of partitioning a network over a cluster."""
    return {way: prepared.plan(way, cluster, cost) for way in ways}


def _random(rng: np.random.Generator, kind: tvm.relay.TensorType) -> np.ndarray:
    shape = tuple(int(n) for n in kind.shape)
    if kind.dtype.startswith("float"):
        return rng.normal(size=shape).astype(kind.dtype)
    return rng.integers(0, 2 if kind.dtype == "bool" else 100, shape).astype(kind.dtype)


def _digest(network: Network, *rest: object) -> str:
    text = json.dumps([str(network.path), sorted(network.shapes.items()), rest], default=str)
    return f"{network.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
