# SPDX-License-Identifier: Apache-2.0
"""``flexpie boards``: what is registered with a tracker."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import click

from ..runtime import BoardInfo, list_boards, parse_tracker
from .options import OutputFile
from .progress import step
from .table import print_table


@click.command("boards")
@click.option("--tracker", metavar="HOST:PORT", required=True, help="The TVM RPC tracker.")
@click.option("--key", help="Only boards that registered under this key.")
@click.option("--json", "output", type=OutputFile(), help="Also write the list to this file.")
def command(tracker: str, key: str | None, output: Path | None) -> None:
    """List the boards of a tracker in the order of their ranks.

    Free boards are taken for a moment and asked what they are; busy ones are only listed.
    """
    with step("Asking the boards"):
        boards = list_boards(*parse_tracker(tracker), key)
    if output:
        output.write_text(json.dumps([asdict(board) for board in boards], indent=1) + "\n")
    if not boards:
        click.echo(f"no boards are registered{f' under key {key!r}' if key else ''}")
        return
    print_table([field.name for field in fields(BoardInfo)], [_row(board) for board in boards])


def _row(board: BoardInfo) -> list[str]:
    memory = f"{board.memory / 1e9:.1f} GB" if board.memory else ""
    row = {**asdict(board), "cores": board.cores or "", "memory": memory}
    return [str(value) for value in row.values()]
