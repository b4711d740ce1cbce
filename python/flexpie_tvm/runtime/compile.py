# SPDX-License-Identifier: Apache-2.0
"""Annotated IRModule -> artifact."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import tvm

from ..codegen import BuildCache, build_boards
from ..codegen.build_key import build_key, is_told_by_settings
from ..cost import Cost
from ..frontend.file_kind import is_tflite
from ..kernels.configs import Measured
from ..plan import plan_to_json
from ..relay import Lowered, Partitioned, bind_params, lower, read_plan
from ..relay.params import Params
from ..relay.targets import Targets, targets_of
from .artifact import FALLBACKS, Artifact, check_free, save_artifact
from .losses import planned_ahead
from .native import linker_for
from .port import Port
from .tables import exchange_table


def build(
    mod: tvm.IRModule | Partitioned,
    target: Targets,
    path: str | Path,
    output_names: Sequence[str] = (),
    model: str | Path | onnx.ModelProto | None = None,
    cc: str | None = None,
    measured: Measured | None = None,
    fallbacks: int = 0,
    cost: Cost | None = None,
    cache: BuildCache | None = None,
    params: Params | None = None,
) -> Artifact:
    """Lower and compile an annotated module for its boards.

    Parameters
    ----------
    mod : tvm.IRModule or Partitioned
        What ``FlexPiePartition`` or `partition` returned.
    target : tvm.target.Target or str, or a sequence of them
        Target of all boards, or of each one in rank order. ``FlexPiePreOptimize`` must have had
        the same, because the boards share one layout.
    path : str or Path
        Folder of the artifact, usually ``<name>.flexpie``.
    output_names : sequence of str, optional
        Names for the outputs; those of the layer graph by default.
    model : str, Path or onnx.ModelProto, optional
        The model behind the module; the artifact then keeps it, to be verified against.
    cc : str, optional
        Linker for all boards; by default the host's or the cross compiler of each architecture.
    measured : mapping, optional
        The fastest configurations of kernels, as of `flexpie_tvm.lab.tuning.fastest`.
    fallbacks : int
        How many boards may be lost that the artifact is made ready for; losses that leave equal
        boards share what is built.
    cost : Cost, optional
        Predicts milliseconds for the plans of fewer boards; by default `Analytic`.
    cache : BuildCache, optional
        Where libraries are looked for and kept; by default all are built.
    params : mapping, optional
        Weights that are still inputs of the module, by name; without them they travel with every
        inference. Better bound before the module is partitioned (`bind_params`); a `Partitioned`
        has them bound.

    Returns
    -------
    artifact : Artifact

    Raises
    ------
    PlanError
        If the module is not annotated.
    InputError
        If nothing links for a target, there are several, but not one per board, ``fallbacks``
        would leave no board, or an array of ``params`` does not fit.
    """
    path = Path(path)
    check_free(path)
    if not isinstance(mod, Partitioned):
        mod = read_plan(bind_params(mod, params))
    lowered = lower(mod)
    targets = targets_of(target, lowered.plan.boards)
    linkers = [cc or linker_for(str(t)) for t in targets]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".build.") as scratch:
        files = _libraries(lowered, targets, Path(scratch), linkers, measured, cache)
        for ranks, fewer, their in planned_ahead(mod, targets, fallbacks, cost):
            ahead = Path(scratch) / FALLBACKS / ranks
            build(fewer, their, ahead, output_names, None, cc, measured, cache=cache)
        files += [Path(scratch) / FALLBACKS] if fallbacks else []
        if model is not None:
            files.append(_copy_model(model, Path(scratch)))
        return save_artifact(describe(lowered, targets, path, output_names), files, path)


def _libraries(
    lowered: Lowered,
    targets: Sequence[tvm.target.Target],
    folder: Path,
    linkers: Sequence[str | None],
    measured: Measured | None,
    cache: BuildCache | None,
) -> list[Path]:
    """A library per board, in rank order, from the cache if it has them."""
    if cache is None or not is_told_by_settings():
        return build_boards(lowered.boards, targets, folder, linkers, measured)

    def make() -> list[Path]:
        return build_boards(lowered.boards, targets, folder, linkers, measured, cache)

    return cache.made(build_key(lowered.boards, targets, linkers, measured), folder, make)


def _copy_model(given: str | Path | onnx.ModelProto, folder: Path) -> Path:
    """One file, also of a model whose weights are in files beside it."""
    path = folder / "model.onnx"
    if isinstance(given, onnx.ModelProto):
        onnx.save(given, path)
        return path
    model = Path(given)
    if is_tflite(model):
        return Path(shutil.copyfile(model, folder / "model.tflite"))
    proto = onnx.load(model, load_external_data=False)
    if any(w.external_data for w in proto.graph.initializer):
        onnx.save(onnx.load(model), path)
        return path
    return Path(shutil.copyfile(model, path))


def describe(
    lowered: Lowered,
    targets: Sequence[tvm.target.Target],
    path: Path,
    output_names: Sequence[str] = (),
) -> Artifact:
    """Everything about an artifact but its files."""
    graph, geometry = lowered.imported.graph, lowered.geometry
    tensors = graph.tensors
    inputs = tuple(
        Port(tensors[t].name, tensors[t].shape, tensors[t].dtype, geometry.need[t])
        for t in graph.inputs
    )
    names = output_names or [tensors[t].name for t in graph.outputs]
    outputs = tuple(
        Port(name, tensors[t].shape, tensors[t].dtype, tuple(geometry.owned[t]))
        for name, t in zip(names, graph.outputs, strict=True)
    )
    tables = tuple(exchange_table(lowered, board) for board in range(geometry.boards))
    plan = plan_to_json(lowered.plan, graph)
    scheme = lowered.plan.scheme
    texts = tuple(map(str, targets))
    return Artifact(path, geometry.boards, scheme, texts, inputs, outputs, tables, plan)
