# SPDX-License-Identifier: Apache-2.0
"""What the demo runs: one model cut by several schemes, and whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..compiler import Prepared
from ..cost import Cost
from ..machine import FP32
from ..plan import ClusterSpec
from ..relay.targets import parse_target
from ..runtime import Artifact, BuildCache, Whole, build_whole
from ..runtime.local import as_local
from .costs import cost_model
from .finished import artifact_key, finished_artifact, finished_whole, whole_key
from .options import PlanOptions, target_texts
from .pipeline import Planned, compile_model, load_model, partition
from .progress import step


@dataclass(frozen=True)
class DemoBuilds:
    """Builds of a model for local boards with one thread; it is imported when one is missing.

    Parameters
    ----------
    model : Path
        The model file.
    options : PlanOptions
        Shapes and boards.
    folder : Path
        Gets all that is built.
    cache : BuildCache or None
        Where that is looked for and kept.
    """

    model: Path
    options: PlanOptions
    folder: Path
    cache: BuildCache | None

    def artifact(self, scheme: str) -> Artifact:
        """The model, cut by a scheme."""
        options = replace(self.options, scheme=scheme)
        path = self.folder / f"{scheme}.flexpie"

        def made() -> Artifact:
            with step("Partitioning"):
                cut = partition(self._loaded.layers, self._cluster, scheme, self._cost)
            return compile_model(Planned(self._loaded, cut, self._cost), path, cache=self.cache)

        key = self.cache and artifact_key(self.model, options, threads=1)
        return finished_artifact(self.cache, key, path, made)

    def whole(self) -> Whole:
        """The model on one board, by TVM alone and by us."""
        target = parse_target(target_texts(self.options, self._cluster)[0])

        def made(folder: Path) -> Whole:
            mod, layers = self._loaded.model.module, self._loaded.layers
            return build_whole(mod, layers, target, self.model, folder, self.cache)

        key = self.cache and whole_key(self.model, self.options.shapes, target, FP32)
        with step("Compiling for one board"):
            return finished_whole(self.cache, key, target, self.model, self.folder / "alone", made)

    @cached_property
    def _cluster(self) -> ClusterSpec:
        return as_local(self.options.cluster())

    @cached_property
    def _cost(self) -> Cost:
        targets = target_texts(self.options, self._cluster)
        return cost_model(self.options.cost, self._cluster, targets, threads=1)

    @cached_property
    def _loaded(self) -> Prepared:
        return load_model(self.model, self.options, self._cluster)
