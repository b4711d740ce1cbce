# SPDX-License-Identifier: Apache-2.0
"""``flexpie plan``: how a model is cut."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..errors import InputError
from ..explain import comparison_text, with_report
from ..graph import Graph
from ..machine import FP16
from ..plan import Compared, Plan, compare, save_plan
from ..runtime import user_cache
from .model_file import model_file
from .options import NOT_LOCAL, OutputFile, PlanOptions, plan_options
from .own_costs import calibrate_option, with_own_costs
from .pipeline import plan_model
from .progress import step
from .taken_boards import secure_option
from .trial import Trial, tried, try_option


@click.command("plan")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OutputFile(), required=True, help="plan.json")
@click.option("--compare", "compared", is_flag=True, help="Compare the paper's six ways.")
@click.option("--local", is_flag=True, help="For boards that 'flexpie run --local' starts.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True,
              help="Threads of each local board.")  # fmt: skip
@try_option
@click.option("--tracker", metavar="HOST:PORT", help="Boards of a TVM RPC tracker, for --try.")
@click.option("--key", help="Key under which the tracker's boards registered.")
@secure_option
@calibrate_option
@plan_options
def command(
    options: PlanOptions,
    model: Path,
    output: Path,
    compared: bool,
    local: bool,
    threads: int,
    own: bool,
    number: int | None,
    **where: object,
) -> None:
    """Decide how MODEL is cut over boards and write it to plan.json."""
    if local and options.board:
        raise InputError(NOT_LOCAL)
    trial = Trial(number or 0, local, threads=threads, **where)
    trial.check(options)
    with model_file(model, options) as file:
        if local and own:
            options = with_own_costs(options, threads, user_cache(os.environ))
        planned = plan_model(file, options, threads if local else None)
        if number:
            planned = tried(planned, trial, user_cache(os.environ))
    graph, plan, cost = planned.cut.graph, planned.cut.plan, planned.cost
    rows: list[Compared] = []
    if compared:
        with step("Comparing"):
            rows = compare(graph, plan.cluster, cost)
    save_plan(with_report(graph, plan, cost, rows), graph, output)
    click.echo(f"{click.format_filename(output)}: {_summary(graph, plan)}")
    if rows:
        click.echo(comparison_text(rows))


def _summary(graph: Graph, plan: Plan) -> str:
    exchanges = plan.geometry(graph).exchanges
    sent = sum(
        m.region.volume * graph.tensors[e.tensor].itemsize for e in exchanges for m in e.messages
    )
    narrow = ", fp16" if plan.notes.get("precision") == FP16 else ""
    text = (
        f"{len(graph.layers)} layers over {plan.boards} boards, scheme {plan.scheme}{narrow}, "
        f"{len(exchanges)} exchanges, {sent} bytes exchanged"
    )
    if "predicted_ms" in plan.notes:
        text += f", predicted {plan.notes['predicted_ms']:.2f} ms ({plan.notes['cost_model']})"
    if "measured_ms" in plan.notes:
        text += f", took {plan.notes['measured_ms']:.2f} ms: the fastest of those tried"
    return text
