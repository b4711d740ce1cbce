# SPDX-License-Identifier: Apache-2.0
"""``flexpie train``: from measurements to a cost model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..cost.cost_file import save_cost
from ..cost.traces import read_models, read_tiles, read_transfers
from ..cost.train import HeldOut, train
from ..errors import CostError
from ..explain.training import joint, write_report
from .options import OutputFile
from .progress import step


@click.command("train")
@click.argument("traces", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OutputFile(), required=True, help="Cost model, a file.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for a report: errors on held-out configurations, and a picture.",
)
@click.option("--board-kind", help="Which boards' traces, if the store has several.")
def command(traces: Path, output: Path, report: Path | None, board_kind: str | None) -> None:
    """Train a cost model on the measurements in TRACES, a folder of 'flexpie profile'."""
    everything = [read_tiles(traces), read_transfers(traces), read_models(traces)]
    if board_kind is not None:
        everything = [[t for t in s if t.setting.board_kind == board_kind] for s in everything]
        if not everything[0]:
            raise CostError(f"trace store '{traces}' has no tiles of board kind '{board_kind}'")
    with step("Training"):
        trained = train(*everything)
    save_cost(trained.cost, output)
    click.echo(
        f"{click.format_filename(output)}: {trained.cost.name}, {output.stat().st_size} bytes"
    )
    _say("tiles", trained.tiles)
    _say("transfers", trained.transfers)
    for model in trained.models:
        click.echo(
            f"{model.name}: {model.measured:.2f} ms, predicted {model.predicted:.2f} "
            f"({model.error:+.1%})"
        )
    if report is not None:
        with step("Writing the report"):
            page = write_report(trained, report)
        click.echo(f"report: {click.format_filename(page)}")


def _say(name: str, parts: Sequence[HeldOut]) -> None:
    if parts:
        own = joint(parts).score
        click.echo(
            f"{name}: {own.count} configurations, held out: MAPE {own.mape:.1%}, "
            f"median {own.median:.1%}, 95th percentile {own.p95:.1%}, rank {own.rank:.3f}"
        )
