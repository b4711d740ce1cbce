# SPDX-License-Identifier: Apache-2.0
"""``flexpie build``: compile a model for its boards."""

from __future__ import annotations

from pathlib import Path

import click

from ..machine import FP16
from ..runtime.artifact import check_free
from .model_file import model_file
from .options import PlanOptions, plan_options, tuned_option
from .pipeline import compile_model, partition


@click.command("build")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the artifact, such as model.flexpie.",
)
@tuned_option
@plan_options
def command(options: PlanOptions, model: Path, output: Path, tuned: Path | None) -> None:
    """Cut and compile MODEL; the artifact runs with 'flexpie run'."""
    check_free(output)  # before minutes of compilation
    with model_file(model, options) as file:
        artifact = compile_model(partition(file, options), output, tuned)
    size = sum(f.stat().st_size for f in artifact.path.iterdir())
    narrow = ", fp16" if artifact.precision == FP16 else ""
    click.echo(
        f"{click.format_filename(output)}: {artifact.boards} boards, scheme {artifact.scheme}"
        f"{narrow}, "
        f"{size} bytes"
    )
