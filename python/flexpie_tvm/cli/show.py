# SPDX-License-Identifier: Apache-2.0
"""``flexpie show``: a plan as a page."""

from __future__ import annotations

from pathlib import Path

import click

from ..explain import show_plan
from .options import OutputFile


@click.command("show")
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OutputFile(), required=True, help="plan.html")
def command(plan: Path, output: Path) -> None:
    """Write an HTML page about PLAN: layers, schemes, costs, timeline, comparison."""
    show_plan(plan, output)
    click.echo(click.format_filename(output))
