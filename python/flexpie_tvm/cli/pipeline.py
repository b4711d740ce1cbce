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
class Partitioned:
    """A model on its way to the boards."""

    model: Path
    whole: tvm.IRModule
    annotated: tvm.IRModule
    graph: Graph
    plan: Plan
    target: tvm.target.Target


def partition(model: str | Path, options: PlanOptions) -> Partitioned:
    """Import, pre-optimize and plan a model."""
    plan = None if options.plan is None else load_plan(options.plan)
    if plan is not None and options.boards not in (None, plan.boards):
        raise PlanError(f"plan '{options.plan}' is for {plan.boards} boards, not {options.boards}")
    cluster = options.cluster() if plan is None else plan.cluster
    target = parse_target(options.target or host_target())
    partition_pass = FlexPiePartition(cluster, options.scheme, plan)
    with step(f"Importing {model}"):
        whole = load_onnx(model, options.shapes)
    with step("Partitioning"):
        annotated = partition_pass(FlexPiePreOptimize(target)(whole))
    imported, chosen = read_plan(annotated)
    return Partitioned(Path(model), whole, annotated, imported.graph, chosen, target)


def compile_model(partitioned: Partitioned, path: Path) -> Artifact:
    """Build the artifact of a partitioned model."""
    with step(f"Compiling for {partitioned.plan.boards} boards"):
        return build(
            partitioned.annotated,
            partitioned.target,
            path,
            output_names=output_names(read_onnx(partitioned.model)),
            model=partitioned.model,
        )


def parse_target(text: str) -> tvm.target.Target:
    """A TVM target; ``InputError`` if TVM does not know it."""
    try:
        return tvm.target.Target(text)
    except (ValueError, TypeError, tvm.error.TVMError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"target '{text}' is not one of TVM's: {reason}") from None
