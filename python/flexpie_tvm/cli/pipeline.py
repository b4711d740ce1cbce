# SPDX-License-Identifier: Apache-2.0
"""ONNX file -> annotated module -> artifact: the steps that the commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tvm

from ..cost import Analytic, Cost
from ..errors import PlanError
from ..frontend.formats import load_model as load_file
from ..frontend.formats import model_outputs
from ..graph import Graph
from ..machine import FP32
from ..passes import FlexPiePreOptimize
from ..plan import ClusterSpec, Plan, load_plan
from ..relay import FlexPiePartition, read_plan
from ..relay.targets import targets_of
from ..relay.transform import check_plan_precision
from ..runtime import Artifact, BuildCache, build
from ..tuning import fastest
from .costs import cost_model
from .options import PlanOptions, target_texts
from .progress import step
from .targets import parse_target


@dataclass(frozen=True)
class Model:
    """An imported model, whole and ready to be cut."""

    path: Path
    whole: tvm.IRModule
    optimized: tvm.IRModule
    targets: tuple[tvm.target.Target, ...]


@dataclass(frozen=True)
class Partitioned:
    """A model with its plan, and what predicts its times."""

    model: Model
    annotated: tvm.IRModule
    graph: Graph
    plan: Plan
    cost: Cost


def load_model(
    path: str | Path, options: PlanOptions, cluster: ClusterSpec, precision: str = FP32
) -> Model:
    """Import a model and pre-optimize it for the boards of a cluster."""
    texts = [parse_target(text) for text in target_texts(options, cluster)]
    targets = targets_of(texts, cluster.boards)
    prepare = FlexPiePreOptimize(targets, precision)
    with step(f"Importing {path}"):
        whole = load_file(path, options.shapes)
        return Model(Path(path), whole, prepare(whole), targets)


def partition(path: str | Path, options: PlanOptions, threads: int | None = None) -> Partitioned:
    """Import, pre-optimize and plan a model; options are checked before the model is read.

    ``threads`` are those of boards on this machine; None for other boards.
    """
    plan = read_plan_file(options)
    cluster = options.cluster() if plan is None else plan.cluster
    if plan is None or options.cost:
        texts = target_texts(options, cluster)
        cost = cost_model(options.cost, cluster, texts, threads, options.known_boards())
    else:
        cost = Analytic()
    chosen = partition_pass(options, cluster, cost, plan)
    model = load_model(path, options, cluster, _precision(options, plan))
    return plan_model(model, chosen, cost)


def _precision(options: PlanOptions, plan: Plan | None) -> str:
    """The precision that is asked for; a finished plan has one."""
    asked = options.precision or (plan.notes.get("precision") if plan else None) or FP32
    if plan is not None:
        check_plan_precision(plan, asked)
    return asked


def read_plan_file(options: PlanOptions) -> Plan | None:
    """The finished plan that the options name."""
    if options.plan is None:
        return None
    plan = load_plan(options.plan)
    if options.boards not in (None, plan.boards):
        raise PlanError(f"plan '{options.plan}' is for {plan.boards} boards, not {options.boards}")
    return plan


def planned_boards(options: PlanOptions) -> int:
    """Number of boards that a model will be cut for."""
    plan = read_plan_file(options)
    return plan.boards if plan else options.cluster().boards


def partition_pass(
    options: PlanOptions, cluster: ClusterSpec, cost: Cost, plan: Plan | None = None
) -> tvm.transform.Pass:
    """The pass that the options ask for."""
    if plan is not None:
        return FlexPiePartition(plan=plan)
    return FlexPiePartition(cluster, options.scheme, cost, options.objective)


def plan_model(model: Model, chosen: tvm.transform.Pass, cost: Cost) -> Partitioned:
    """Annotate a model with a plan."""
    with step("Partitioning"):
        annotated = chosen(model.optimized)
        imported, plan = read_plan(annotated)
    return Partitioned(model, annotated, imported.graph, plan, cost)


def compile_model(
    partitioned: Partitioned,
    path: Path,
    tuned: Path | None = None,
    fallbacks: int = 0,
    cache: BuildCache | None = None,
) -> Artifact:
    """Build the artifact of a partitioned model, with the records of ``flexpie tune`` if given."""
    measured = None if tuned is None else fastest(tuned, partitioned.model.targets)
    with step(f"Compiling for {partitioned.plan.boards} boards"):
        return build(
            partitioned.annotated,
            partitioned.model.targets,
            path,
            output_names=model_outputs(partitioned.model.path),
            model=partitioned.model.path,
            measured=measured,
            fallbacks=fallbacks,
            cost=partitioned.cost,
            cache=cache,
        )
