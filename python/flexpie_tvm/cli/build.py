# SPDX-License-Identifier: Apache-2.0
"""``flexpie build``: compile a model for its boards."""

from __future__ import annotations

from pathlib import Path

import click

from ..machine import FP16
from ..runtime import Artifact, BuildCache, sign_artifact
from ..runtime.artifact import check_free
from ..runtime.losses import check_fallbacks
from ..runtime.signature import read_private_key
from .cache import cache_option
from .finished import artifact_key, finished_artifact
from .model_file import model_file
from .options import MOST_BOARDS, PlanOptions, plan_options, tuned_option
from .pipeline import compile_model, plan_model, planned_boards


@click.command("build")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the artifact, such as model.flexpie.",
)
@click.option(
    "--fallbacks",
    type=click.IntRange(0, MOST_BOARDS),
    default=0,
    show_default=True,
    help="Make it ready for the loss of so many boards.",
)
@click.option(
    "--sign",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Sign the artifact with this Ed25519 private key ('openssl genpkey -algorithm ed25519').",
)
@cache_option
@tuned_option
@plan_options
def command(
    options: PlanOptions,
    model: Path,
    output: Path,
    fallbacks: int,
    sign: Path | None,
    tuned: Path | None,
    cache: BuildCache | None,
) -> None:
    """Cut and compile MODEL; the artifact runs with 'flexpie run'."""
    check_free(output)  # before minutes of compilation
    check_fallbacks(fallbacks, planned_boards(options))
    if sign is not None:
        read_private_key(sign)
    with model_file(model, options) as file:

        def made() -> Artifact:
            return compile_model(plan_model(file, options), output, tuned, fallbacks, cache)

        key = cache and artifact_key(file, options, None, tuned, fallbacks)
        artifact = finished_artifact(cache, key, output, made)
    if sign is not None:
        sign_artifact(artifact.path, sign)
    size = sum(f.stat().st_size for f in artifact.path.rglob("*"))
    narrow = ", fp16" if artifact.precision == FP16 else ""
    click.echo(
        f"{click.format_filename(output)}: {artifact.boards} boards, scheme {artifact.scheme}"
        f"{narrow}, "
        f"{size} bytes{', built before' if cache and cache.hits and not cache.misses else ''}"
    )
