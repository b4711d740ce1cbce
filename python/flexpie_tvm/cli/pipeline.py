# SPDX-License-Identifier: Apache-2.0
"""ONNX file -> annotated module -> artifact: the steps that the commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tvm

from ..errors import InputError, PlanError
from ..graph import Graph
from ..plan import Plan, load_plan
from ..relay import FlexPiePartition, FlexPiePreOptimize, read_plan
from ..relay.onnx_model import load_onnx, output_names, read_onnx
from ..runtime import Artifact, build
from .options import PlanOptions, host_target
from .progress import step


@dataclass(frozen=True)
class Model:
    """An imported model, whole and ready to be cut."""

    path: Path
    whole: tvm.IRModule
    optimized: tvm.IRModule
    target: tvm.target.Target


@dataclass(frozen=True)
class Partitioned:
    """A model with its plan."""

    model: Model
    annotated: tvm.IRModule
    graph: Graph
    plan: Plan


def load_model(path: str | Path, options: PlanOptions) -> Model:
    """Import and pre-optimize a model."""
    target = parse_target(options.target or host_target())
    with step(f"Importing {path}"):
        whole = load_onnx(path, options.shapes)
        return Model(Path(path), whole, FlexPiePreOptimize(target)(whole), target)


def partition(path: str | Path, options: PlanOptions) -> Partitioned:
    """Import, pre-optimize and plan a model; options are checked before the model is read."""
    chosen = partition_pass(options)
    return plan_model(load_model(path, options), chosen)


def partition_pass(options: PlanOptions) -> tvm.transform.Pass:
    """The pass that the options ask for."""
    if options.plan is None:
        return FlexPiePartition(options.cluster(), options.scheme, objective=options.objective)
    plan = load_plan(options.plan)
    if options.boards not in (None, plan.boards):
        raise PlanError(f"plan '{options.plan}' is for {plan.boards} boards, not {options.boards}")
    return FlexPiePartition(plan=plan)


def plan_model(model: Model, chosen: tvm.transform.Pass) -> Partitioned:
    """Annotate a model with a plan."""
    with step("Partitioning"):
        annotated = chosen(model.optimized)
        imported, plan = read_plan(annotated)
    return Partitioned(model, annotated, imported.graph, plan)


def compile_model(partitioned: Partitioned, path: Path) -> Artifact:
    """Build the artifact of a partitioned model."""
    with step(f"Compiling for {partitioned.plan.boards} boards"):
        return build(
            partitioned.annotated,
            partitioned.model.target,
            path,
            output_names=output_names(read_onnx(partitioned.model.path)),
            model=partitioned.model.path,
        )


def parse_target(text: str) -> tvm.target.Target:
    """A TVM target; ``InputError`` if TVM does not know it."""
    if not text.startswith(("llvm", "{", "raspberry-pi/")):  # TVM looks for a GPU and says so
        raise InputError(f"target '{text}' is not one of TVM's CPU targets: give one of llvm's")
    try:
        return tvm.target.Target(text)
    except (ValueError, TypeError, tvm.error.TVMError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"target '{text}' is not one of TVM's: {reason}") from None
