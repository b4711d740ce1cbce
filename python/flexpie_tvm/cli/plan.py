# SPDX-License-Identifier: Apache-2.0
"""``flexpie plan``: how a model is cut."""

from __future__ import annotations

from pathlib import Path

import click

from ..plan import save_plan
from .options import PlanOptions, plan_options
from .pipeline import partition


@click.command("plan")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="plan.json")
@plan_options
def command(options: PlanOptions, model: Path, output: Path) -> None:
    """Decide how MODEL is cut over boards and write it to plan.json."""
    done = partition(model, options)
    save_plan(done.plan, done.graph, output)
    geometry = done.plan.geometry(done.graph)
    itemsize = {t.id: t.itemsize for t in done.graph.tensors}
    sent = sum(m.region.volume * itemsize[e.tensor] for e in geometry.exchanges for m in e.messages)
    click.echo(
        f"{output}: {len(done.graph.layers)} layers over {done.plan.boards} boards, scheme "
        f"{done.plan.scheme}, {len(geometry.exchanges)} exchanges, {sent} bytes exchanged"
    )
