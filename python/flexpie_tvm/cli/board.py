# SPDX-License-Identifier: Apache-2.0
"""``flexpie board``: make this machine a board, for as long as it runs."""

from __future__ import annotations

import logging
import signal
from pathlib import Path

import click

from ..errors import InputError
from ..plan.model.cluster_file import parse_bytes
from ..runtime import parse_tracker
from ..runtime.board_service import BoardOptions, BoardService, systemd_notifier
from ..runtime.link_key import VARIABLE, read_key


@click.command("board")
@click.option("--tracker", metavar="HOST:PORT", required=True, help="The TVM RPC tracker.")
@click.option("--key", required=True, help="Boards that are used together register under one key.")
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen at.")
@click.option(
    "--address", help="By which others reach this board (default: the way to the tracker)."
)
@click.option("--port", type=click.IntRange(1, 65535), default=9090, show_default=True,
              help="The first free port from here on.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), help="Cores that a tile uses (default: all).")
@click.option("--memory", metavar="SIZE", help="What a session may take, such as 1500MB.")
@click.option("--alive", type=click.IntRange(4, 86400), default=30, show_default=True,
              help="Seconds after which a host without a sign of life is gone.")  # fmt: skip
@click.option("--psk", type=click.Path(path_type=Path), envvar=VARIABLE, metavar="FILE",
              help="Key of 'flexpie key': it encrypts all links to this board.")  # fmt: skip
def command(tracker: str, port: int, memory: str | None, psk: Path | None, **rest: object) -> None:
    """Register this machine with a tracker, and keep it registered until it is interrupted.

    A stock TVM RPC server does the work; it is started again whenever it is lost. Every event
    is one line on stderr.
    """
    if psk is not None:
        read_key(psk)
    options = BoardOptions(
        parse_tracker(tracker),
        port=port,
        port_end=min(port + 100, 65536),
        memory=None if memory is None else _memory(memory),
        psk=psk,
        **rest,
    )
    service = BoardService(options, _say(), systemd_notifier())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: service.stop())
    service.run()


def _memory(text: str) -> int:
    size = parse_bytes(int(text) if text.isdecimal() else text)
    if size < 64 << 20:
        raise InputError(f"--memory {text}: a server needs 64MiB or more")
    return size


def _say():
    logger = logging.getLogger("flexpie.board")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s board: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return logger.info
