# SPDX-License-Identifier: Apache-2.0
"""The whole way from a model to an artifact; each stage can be called by itself.

==================  ============================================================
`import_model`      a file, an ONNX model or a Relay module -> a static module
`prepare`           `FlexPiePreOptimize` for the boards' targets; its layers
`partition`         how each layer is cut
`build`             lowered and compiled, one library for each board
==================  ============================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tvm

from .cost import Cost
from .frontend.imported_model import ImportedModel, Model, import_model
from .kernels.configs import Measured
from .machine import FP32
from .passes import FlexPiePreOptimize
from .passes.precision import check_precision
from .plan import ClusterSpec, Plan, check_scheme, cluster_of
from .relay import Imported, partition, read_module
from .relay.params import Params
from .relay.partitioned import check_plan_precision
from .relay.targets import Targets, boards_targets
from .runtime import Artifact, BuildCache, build
from .runtime.artifact import check_free
from .runtime.losses import check_fallbacks


@dataclass(frozen=True)
class Prepared:
    """A model that is ready to be cut.

    Parameters
    ----------
    model : ImportedModel
        As it was imported.
    layers : Imported
        The pre-optimized module and its layer graph.
    targets : tuple of tvm.target.Target
        Of the boards that it was prepared for, one for each.
    precision : {"fp32", "fp16"}
        What it computes in.
    """

    model: ImportedModel
    layers: Imported
    targets: tuple[tvm.target.Target, ...]
    precision: str = FP32


def prepare(
    model: ImportedModel, targets: Sequence[tvm.target.Target], precision: str = FP32
) -> Prepared:
    """Pre-optimize a model for its boards and read its layers.

    Parameters
    ----------
    model : ImportedModel
        What `import_model` gave.
    targets : sequence of tvm.target.Target
        Of the boards, one for each.
    precision : {"fp32", "fp16"}
        What the model computes in from here on.

    Returns
    -------
    prepared : Prepared
        The pre-optimized module with its layers, for `partition`.

    Raises
    ------
    InputError
        As ``FlexPiePreOptimize`` does of the precision.
    ModelError
        For dynamic shapes and control flow.
    """
    # in a sequence, as passes that the caller's context disables are then left out
    passes = tvm.transform.Sequential([FlexPiePreOptimize(targets, precision)])
    optimized = passes(model.module)
    return Prepared(model, read_module(optimized), tuple(targets), precision)


def compile(
    model: Model,
    path: str | Path,
    cluster: ClusterSpec | int | None = None,
    target: Targets | None = None,
    *,
    params: Params | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    scheme: str = "auto",
    objective: str = "latency",
    cost: Cost | None = None,
    plan: Plan | None = None,
    precision: str | None = None,
    cc: str | None = None,
    measured: Measured | None = None,
    fallbacks: int = 0,
    cache: BuildCache | None = None,
) -> Artifact:
    """Compile a model for several boards, as ``relay.build`` does for one.

    A ``PassContext`` around the call is respected: options, instruments, disabled passes, and
    levels other than 2, which is what TVM takes if nobody says it; 3 is ours.

    Parameters
    ----------
    model : tvm.IRModule, onnx.ModelProto, str or Path
        A Relay module; a model of ONNX; or the path of a model file.
    path : str or Path
        Folder of the artifact, usually ``<name>.flexpie``.
    cluster : ClusterSpec or int, optional
        The boards; a number means that many equal ones. By default as of ``FlexPiePartition``.
    target : tvm.target.Target or str, or a sequence of them, optional
        Of all boards, or of each one in rank order; by default the cluster's, else this machine's.
    params : mapping, optional
        Weights of a Relay module, as ``relay.frontend`` gives them beside it.
    shapes : mapping, optional
        Input name -> shape, for inputs of a file with dynamic dims.
    scheme, objective, cost, plan
        As of ``FlexPiePartition``; a plan brings its own cluster.
    precision : {"fp32", "fp16"}, optional
        As of ``FlexPiePreOptimize``; by default the plan's, else ``fp32``.
    cc, measured, fallbacks, cache
        As of `build`.

    Returns
    -------
    artifact : Artifact
        With the model, if that was not a Relay module, to be verified against.

    Raises
    ------
    ModelError
        If the model cannot be imported, has dynamic shapes or control flow.
    PlanError
        For an unknown scheme, or a plan that does not fit the model, its precision or the boards.
    InputError
        If what was given cannot be used otherwise.
    """
    spec = plan.cluster if plan is not None else cluster_of(cluster)
    targets = boards_targets(target, spec)
    precision = precision or precision_of_plan(plan)
    _refuse_early(Path(path), spec, targets, scheme, plan, precision, fallbacks)
    imported = import_model(model, shapes, params)
    ready = prepare(imported, targets, precision)
    planned = partition(ready.layers, spec, scheme, cost, objective, plan)
    names, source = imported.outputs, imported.source
    return build(planned, targets, path, names, source, cc, measured, fallbacks, cost, cache)


def _refuse_early(
    path: Path,
    cluster: ClusterSpec,
    targets: Sequence[tvm.target.Target],
    scheme: str,
    plan: Plan | None,
    precision: str,
    fallbacks: int,
) -> None:
    """What can be refused before minutes of importing and compiling."""
    check_free(path)
    check_fallbacks(fallbacks, cluster.boards)
    check_precision(precision, targets)
    if plan is None:
        check_scheme(scheme, cluster.boards)
    else:
        check_plan_precision(plan, precision)


def precision_of_plan(plan: Plan | None) -> str:
    """What a finished plan is for; ``fp32`` without one."""
    return FP32 if plan is None else plan.notes.get("precision", FP32)
