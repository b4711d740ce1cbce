# SPDX-License-Identifier: Apache-2.0
"""A stock TVM RPC server in one process that ends when it no longer listens.

TVM's own program lives on when the thread that listens has died, as it does after a session's
process was killed, after a host broke off its connection, and after a few odd bytes. Whoever
started this one sees it end and starts another. It also gives up sessions whose host is gone
without a word: its connections ask for a sign of life (sessions inherit that).
"""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from tvm.rpc.server import PopenRPCServerState

from .options import BoardOptions

#: Unanswered signs of life after which a host is gone.
PROBES = 3


def serve(options: BoardOptions, work: Path, listening: Callable[[int], None]) -> None:
    """Serve until nobody listens any more.

    Parameters
    ----------
    options : BoardOptions
        The board.
    work : Path
        Folder of what sessions upload.
    listening : callable
        Gets the port.
    """
    if options.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory, options.memory))
    os.chdir(work)
    tempfile.tempdir = str(work)
    server = PopenRPCServerState(
        options.host,
        options.port,
        options.port_end,
        tracker_addr=options.tracker,
        key=options.key,
        custom_addr=options.address,
    )
    _ask_for_life(server.sock, options.alive)
    listening(server.port)
    server.thread.join()


def _ask_for_life(sock: socket.socket, seconds: int) -> None:
    """Connections that a socket accepts break when the other end is silent for so long."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    pause = max(1, seconds // (PROBES + 1))
    for name, value in (
        ("TCP_KEEPIDLE", pause), ("TCP_KEEPINTVL", pause), ("TCP_KEEPCNT", PROBES),
        ("TCP_USER_TIMEOUT", 1000 * seconds),
    ):  # fmt: skip
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
