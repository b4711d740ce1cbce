# SPDX-License-Identifier: Apache-2.0
"""``flexpie plan``: how a model is cut."""

from __future__ import annotations

from pathlib import Path

import click

from ..explain import comparison_text, with_report
from ..machine import FP16
from ..plan import Compared, compare, save_plan
from .model_file import model_file
from .options import OutputFile, PlanOptions, plan_options
from .pipeline import Partitioned, partition
from .progress import step


@click.command("plan")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OutputFile(), required=True, help="plan.json")
@click.option("--compare", "compared", is_flag=True, help="Compare the paper's six ways.")
@plan_options
def command(options: PlanOptions, model: Path, output: Path, compared: bool) -> None:
    """Decide how MODEL is cut over boards and write it to plan.json."""
    with model_file(model, options) as file:
        done = partition(file, options)
    rows: list[Compared] = []
    if compared:
        with step("Comparing"):
            rows = compare(done.graph, done.plan.cluster, done.cost)
    plan = with_report(done.graph, done.plan, done.cost, rows)
    save_plan(plan, done.graph, output)
    click.echo(f"{click.format_filename(output)}: {_summary(done)}")
    if rows:
        click.echo(comparison_text(rows))


def _summary(done: Partitioned) -> str:
    plan, graph = done.plan, done.graph
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
    return text
