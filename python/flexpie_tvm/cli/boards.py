# SPDX-License-Identifier: Apache-2.0
"""``flexpie boards``: what is registered with a tracker."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import click

from ..errors import InputError
from ..machine import KnownBoard, known_boards
from ..runtime import BoardInfo, list_boards, parse_tracker
from .options import OutputFile
from .progress import step
from .table import print_table


@click.command("boards")
@click.option("--tracker", metavar="HOST:PORT", help="The TVM RPC tracker.")
@click.option("--known", is_flag=True, help="List boards that --board knows, and no tracker's.")
@click.option("--key", help="Only boards that registered under this key.")
@click.option("--json", "output", type=OutputFile(), help="Also write the list to this file.")
def command(tracker: str | None, known: bool, key: str | None, output: Path | None) -> None:
    """List the boards of a tracker in the order of their ranks.

    Free boards are taken for a moment and asked what they are; busy ones are only listed.
    """
    if known == (tracker is not None) or (known and key):
        raise InputError("give either --tracker HOST:PORT or --known alone")
    if known:
        list_known(output)
        return
    with step("Asking the boards"):
        boards = list_boards(*parse_tracker(tracker), key)
    if output:
        output.write_text(json.dumps([asdict(board) for board in boards], indent=1) + "\n")
    if not boards:
        click.echo(f"no boards are registered{f' under key {key!r}' if key else ''}")
        return
    print_table([field.name for field in fields(BoardInfo)], [_row(board) for board in boards])


def list_known(output: Path | None) -> None:
    """Boards that are sold, and with ``output`` where their figures are from."""
    boards = known_boards().values()
    if output:
        output.write_text(json.dumps([asdict(board) for board in boards], indent=1) + "\n")
    head = ["board", "name", "cores", "GHz", "others", "memory GB/s", "link Gb/s"]
    print_table(head, [_known(board) for board in boards])


def _known(board: KnownBoard) -> list[str]:
    big, others = board.big, board.clusters[1:]
    cores = f"{big.cores} x {big.mcpu}"
    rest = ", ".join(f"{o.cores} x {o.mcpu}" for o in others)
    figures = [f"{big.ghz:g}", rest, f"{board.memory_bandwidth:g}", f"{board.link:g}"]
    return [board.key, board.name, cores, *figures]


def _row(board: BoardInfo) -> list[str]:
    memory = f"{board.memory / 1e9:.1f} GB" if board.memory else ""
    row = {**asdict(board), "cores": board.cores or "", "memory": memory}
    return [str(value) for value in row.values()]
