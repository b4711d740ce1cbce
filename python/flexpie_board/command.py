# SPDX-License-Identifier: Apache-2.0
"""``flexpie board``: make this machine a board, for as long as it runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from .options import BoardOptions
from .service import BoardService
from .systemd import systemd_notifier
from .values import KEY_VARIABLE, host_and_port, link_secret, size_in_bytes

#: Bytes that a server needs.
LEAST_MEMORY = 64 << 20
Value = TypeVar("Value")


@click.command("board", context_settings={"help_option_names": ["-h", "--help"]})
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
@click.option("--psk", type=click.Path(path_type=Path), envvar=KEY_VARIABLE, metavar="FILE",
              help="Key of 'flexpie key': it encrypts all links to this board.")  # fmt: skip
def command(tracker: str, port: int, memory: str | None, psk: Path | None, **rest: object) -> None:
    """Register this machine with a tracker, and keep it registered until it is interrupted.

    A stock TVM RPC server does the work; it is started again whenever it is lost. Every event
    is one line on stderr.
    """
    if psk is not None:
        _checked(link_secret, psk)
    host, tracker_port = _checked(host_and_port, tracker)
    options = BoardOptions(
        (host.strip("[]"), tracker_port),
        port=port,
        port_end=min(port + 100, 65536),
        memory=None if memory is None else _memory(memory),
        psk=psk,
        **rest,
    )
    # before TVM is loaded: a board compiles nothing
    os.environ["TVM_USE_RUNTIME_LIB"] = "1"
    service = BoardService(options, _say(), systemd_notifier())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: service.stop())
    service.run()


def entry(arguments: list[str]) -> int:
    """Run the command by itself and return its exit code; errors are one line."""
    try:
        result = command.main(arguments, prog_name="flexpie board", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        message, code = "interrupted", 130
    except click.ClickException as error:
        message, code = error.format_message(), 2
    except ImportError as error:
        message, code = f"{error}: pip install xtc-tvm-python-bindings==0.19.0.12", 2
    except OSError as error:
        message, code = f"{error.filename or 'system'}: {error.strerror or error}", 2
    print(f"flexpie: {message}", file=sys.stderr)
    return code


def _checked(read: Callable[..., Value], text: object) -> Value:
    """What a text means; if it means nothing, one line and exit code 2."""
    try:
        return read(text)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _memory(text: str) -> int:
    size = _checked(size_in_bytes, text)
    if size < LEAST_MEMORY:
        raise click.ClickException(f"--memory {text}: a server needs 64MiB or more")
    return size


def _say() -> Callable[[str], None]:
    logger = logging.getLogger("flexpie.board")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s board: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return logger.info
