# SPDX-License-Identifier: Apache-2.0
"""Put a compiled module on a board.

TVM's RPC handles a file byte by byte: the weights of ResNet-18 take a second of both processors.
They go over a connection of the host instead, as inputs do. They go in pieces: a board needs no
memory for all of it, and the host sees that it goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import tvm

from .board_errors import session_broke
from .board_files import content_of
from .host_link import HostLink
from .session import Session, unused_name

LOGGER = logging.getLogger(__name__)
#: Bytes that a board takes at a time: a second of a link at its slowest (`deployed_boards`).
PIECE = 1 << 20


def load_module(
    rank: int,
    session: Session,
    path: Path,
    deadline: float,
    moved: Callable[[], None] = lambda: None,
) -> tuple[tvm.runtime.Module, str]:
    """Load a library on a board that has it, or gets it now.

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

    Returns
    -------
    library : tvm.runtime.Module
    name : str
        Of the file there; whoever has freed the library tells `Session.files`.

    Raises
    ------
    BoardLost
        If the board's port cannot be reached.
    """
    name = put(rank, session, path, deadline, moved)
    session.files.use(name)
    try:
        session.files.shrink(session.remote.remove)
        return session.remote.load_module(name), name
    except BaseException:
        session.files.let_go(name)
        raise


def put(
    rank: int,
    session: Session,
    path: Path,
    deadline: float,
    moved: Callable[[], None] = lambda: None,
) -> str:
    """Have a file on a board, under a name of its own, out of use; parameters as of `load_module`.

    Returns
    -------
    name : str
        Of a file whose checksum is right there.
    """
    content, files = content_of(path), session.files
    name = files.find(content)
    if name is not None:
        if _checksum(session, name) == content.crc32c:
            return name
        LOGGER.warning("board %d: %s is damaged there and is sent again", rank, path.name)
        files.forget(name)  # whatever is there is gone with the session
    name = unused_name(path)
    _send(rank, session, path, name, deadline, moved)
    files.add(content, name)
    LOGGER.debug("sent %s of %s to board %d", path.name, path.parent.name, rank)
    return name


def put_ahead(
    rank: int,
    session: Session,
    path: Path,
    deadline: float,
    moved: Callable[[], None] = lambda: None,
) -> None:
    """Have a file on a board that it may need, unless that is more than it keeps.

    Parameters are those of `load_module`.
    """
    content = content_of(path)
    if session.files.has(content):
        return
    if not session.files.fits(content):
        LOGGER.warning("board %d: no room for %s of %s", rank, path.name, path.parent.name)
        return
    put(rank, session, path, deadline, moved)


def _checksum(session: Session, name: str) -> int | None:
    place = session.remote.get_function("tvm.rpc.server.workpath")(name)
    try:
        return int(session.remote.get_function("flexpie.file_crc32c")(place))
    except tvm.error.TVMError as error:
        if session_broke(str(error)):
            raise
        return None  # it is not there, or cannot be read


def _send(
    rank: int, session: Session, path: Path, name: str, deadline: float, moved: Callable[[], None]
) -> None:
    data, remote = np.fromfile(path, np.uint8), session.remote
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
