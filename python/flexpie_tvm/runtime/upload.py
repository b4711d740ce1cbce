# SPDX-License-Identifier: Apache-2.0
"""Put a compiled module on a board.

TVM's RPC handles a file byte by byte: the weights of ResNet-18 take a second of both processors.
They go over a connection of the host instead, as inputs do.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import tvm

from .host_link import HostLink
from .session import Session, unused_name


def load_module(rank: int, session: Session, path: Path, deadline: float) -> tvm.runtime.Module:
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

    Raises
    ------
    BoardLost
        If the board's port cannot be reached.
    """
    data = np.fromfile(path, np.uint8)
    name = unused_name(path)
    remote = session.remote
    place = remote.get_function("tvm.rpc.server.workpath")(name)
    held = tvm.nd.empty(data.shape, "uint8", remote.cpu(0))
    alive = False
    try:
        with closing(HostLink(rank, session, [held], [], deadline)) as link:
            link.scatter([data])
            remote.get_function("flexpie.write_file")(place, held)
        alive = True
    finally:
        session.release(held, alive)
    return remote.load_module(name)
