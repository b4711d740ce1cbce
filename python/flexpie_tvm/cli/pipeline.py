# SPDX-License-Identifier: Apache-2.0
"""The stages of `flexpie_tvm.compiler` as commands' options ask for them, with progress."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..compiler import Prepared, import_model, partition, precision_of_plan, prepare
from ..cost import Analytic, Cost
from ..errors import PlanError
from ..lab.tuning import fastest
from ..machine import FP32
from ..passes.precision import check_precision
from ..plan import ClusterSpec, Plan, check_scheme, load_plan
from ..relay import Partitioned
from ..relay.partitioned import check_plan_precision
from ..relay.targets import boards_targets
from ..runtime import Artifact, BuildCache, build
from ..runtime.local import as_local
from .costs import cost_model
from .options import PlanOptions, target_texts
from .progress import step


@dataclass(frozen=True)
class Planned:
    """A model with its plan.

    Parameters
    ----------
    model : Prepared
        The model, and what it is compiled for.
    cut : Partitioned
        Its layers and how they are cut.
    cost : Cost
        What predicts its times.
    """

    model: Prepared
    cut: Partitioned
    cost: Cost


def load_model(
    path: str | Path, options: PlanOptions, cluster: ClusterSpec, precision: str = FP32
) -> Prepared:
    """Import a model and pre-optimize it for the boards of a cluster."""
    targets = boards_targets(target_texts(options, cluster), cluster)
    check_precision(precision, targets)  # before minutes of importing
    with step(f"Importing {path}"):
        return prepare(import_model(path, options.shapes), targets, precision)


def plan_model(path: str | Path, options: PlanOptions, threads: int | None = None) -> Planned:
    """Import, pre-optimize and plan a model; options are checked before the model is read.

    ``threads`` are those of boards on this machine; None for other boards.
    """
    plan = read_plan_file(options)
    cluster = options.cluster() if plan is None else plan.cluster
    if plan is None and threads is not None:
        cluster = as_local(cluster, threads)
    if plan is None or options.cost:
        texts = target_texts(options, cluster)
        cost = cost_model(options.cost, cluster, texts, threads, options.known_boards())
    else:
        cost = Analytic()
    if plan is None:
        check_scheme(options.scheme, cluster.boards)
    model = load_model(path, options, cluster, _precision(options, plan))
    with step("Partitioning"):
        how = cluster, options.scheme, cost, options.objective, plan
        return Planned(model, partition(model.layers, *how), cost)


def _precision(options: PlanOptions, plan: Plan | None) -> str:
    """The precision that is asked for; a finished plan has one."""
    asked = options.precision or precision_of_plan(plan)
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


def compile_model(
    planned: Planned,
    path: Path,
    tuned: Path | None = None,
    fallbacks: int = 0,
    cache: BuildCache | None = None,
) -> Artifact:
    """Build the artifact of a planned model, with the records of ``flexpie tune`` if given."""
    ready, cut = planned.model, planned.cut
    measured = None if tuned is None else fastest(tuned, ready.targets)
    with step(f"Compiling for {cut.plan.boards} boards"):
        return build(
            cut,
            ready.targets,
            path,
            output_names=ready.model.outputs,
            model=ready.model.source,
            measured=measured,
            fallbacks=fallbacks,
            cost=planned.cost,
            cache=cache,
        )
