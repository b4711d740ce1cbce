# SPDX-License-Identifier: Apache-2.0
"""Put a compiled module on a board.

TVM's RPC handles a file byte by byte: the weights of ResNet-18 take a second of both processors.
They go over a connection of the host instead, as inputs do. They go in pieces: a board needs no
memory for all of it, and the host sees that it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import tvm

from .host_link import HostLink
from .session import Session, unused_name

#: Bytes that a board takes at a time: a second of a link at its slowest (`deployed_boards`).
PIECE = 1 << 20


def load_module(
    rank: int,
    session: Session,
    path: Path,
    deadline: float,
    moved: Callable[[], None] = lambda: None,
) -> tvm.runtime.Module:
    """Upload a library under a name of its own and load it.

    Parameters
    ----------
    rank : int
        The board's rank, for errors.
    session : Session
        The board, on which the native runtime is loaded.
    path : Path
        The library.
    deadline : float
        Seconds without progress after which either side gives up.
    moved : callable
        Called whenever the board has another piece.

    Raises
    ------
    BoardLost
        If the board's port cannot be reached.
    """
    data, name = np.fromfile(path, np.uint8), unused_name(path)
    remote = session.remote
    place = remote.get_function("tvm.rpc.server.workpath")(name)
    piece = np.zeros(min(PIECE, data.size), np.uint8)
    held = tvm.nd.empty(piece.shape, "uint8", remote.cpu(0))
    alive = False
    try:
        with closing(HostLink(rank, session, [held], [], deadline)) as link:
            write = remote.get_function("flexpie.write_piece")
            for offset in range(0, data.size, PIECE):
                part = data[offset : offset + PIECE]
                piece[: part.size] = part  # the link moves whole tensors
                link.scatter([piece])
                write(place, offset, held, part.size)
                moved()
        alive = True
    finally:
        session.release(held, alive)
    return remote.load_module(name)
