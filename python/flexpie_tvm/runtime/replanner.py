# SPDX-License-Identifier: Apache-2.0
"""The model that an artifact keeps, planned and built once more for other boards or speeds."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import tvm

from ..codegen import BuildCache
from ..cost import Cost
from ..errors import InputError
from ..frontend.formats import load_model
from ..passes import FlexPiePreOptimize
from ..plan import ClusterSpec, Plan
from ..plan.model.plan_file import plan_from_json
from ..relay import Imported, Partitioned, partition, read_module
from .artifact import Artifact
from .compile import build
from .losses import scheme_for


class Replanner:
    """Plans and builds a model again; it is read and optimized once for the same targets.

    Parameters
    ----------
    artifact : Artifact
        For all boards.
    cost : Cost, optional
        Predicts milliseconds; by default `Analytic`. Better the one that made the plan.
    cache : BuildCache, optional
        Where kernels are looked for and kept; by default those of this object's own builds.
    """

    def __init__(
        self, artifact: Artifact, cost: Cost | None = None, cache: BuildCache | None = None
    ):
        self._artifact, self.cost, self._cache = artifact, cost, cache
        self._busy = threading.Lock()
        self._scratch: tempfile.TemporaryDirectory | None = None
        self._layers: dict[tuple[str, ...], Imported] = {}
        self._built = 0

    @property
    def cluster(self) -> ClusterSpec:
        """The boards that the artifact was planned for."""
        return self._plan.cluster

    def check(self, boards: int) -> None:
        """``InputError`` if the artifact keeps no model."""
        if self._artifact.model is None:
            raise InputError(
                f"artifact '{self._artifact.path}' has nothing for {boards} boards and keeps no "
                "model to build it from: build it with --fallbacks, or with its model"
            )

    def plan(
        self, cluster: ClusterSpec, ranks: Sequence[int], given: Plan | None = None
    ) -> Partitioned:
        """Plan for some of the boards.

        Parameters
        ----------
        cluster : ClusterSpec
            What they are like.
        ranks : sequence of int
            Which of the artifact's boards they are.
        given : Plan, optional
            A plan that was made for them; by default one is made.

        Raises
        ------
        InputError
            If the artifact keeps no model.
        PlanError
            If the plan is for another model.
        """
        self.check(len(ranks))
        scheme = scheme_for(self._artifact.scheme, len(ranks))
        objective = self._plan.notes.get("objective", "latency")
        with self._busy:
            layers = self._read([self._artifact.targets[rank] for rank in ranks])
            return partition(layers, cluster, scheme, self.cost, objective, given)

    def build(self, planned: Partitioned, ranks: Sequence[int]) -> Artifact:
        """Compile what was planned for some of the boards; it lasts until `close`.

        Parameters
        ----------
        planned : Partitioned
            What `plan` gave.
        ranks : sequence of int
            For which boards.
        """
        targets = [tvm.target.Target(self._artifact.targets[rank]) for rank in ranks]
        names = [port.name for port in self._artifact.outputs]
        with self._busy:
            self._built += 1
            folder = self._folder()
            path = folder / f"{self._built}-{'-'.join(map(str, ranks))}.flexpie"
            cache = self._cache or BuildCache(folder / "cache")
            return build(planned, targets, path, output_names=names, cache=cache)

    def close(self) -> None:
        """Remove what was built; a build that is under way is waited for."""
        with self._busy:
            if self._scratch is not None:
                self._scratch.cleanup()
            self._scratch, self._layers = None, {}

    @property
    def _plan(self) -> Plan:
        return plan_from_json(self._artifact.plan, str(self._artifact.path / "plan.json"))

    def _folder(self) -> Path:
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="flexpie-replanned-")
        return Path(self._scratch.name)

    def _read(self, texts: Sequence[str]) -> Imported:
        """The layers, optimized for targets; their order does not matter."""
        key = tuple(sorted(set(texts)))
        if key not in self._layers:
            artifact = self._artifact
            mod = load_model(artifact.model, {port.name: port.shape for port in artifact.inputs})
            targets = [tvm.target.Target(text) for text in texts]
            self._layers = {key: read_module(FlexPiePreOptimize(targets, artifact.precision)(mod))}
        return self._layers[key]
