# SPDX-License-Identifier: Apache-2.0
"""The way of the inputs from the host to a board and of the answers back.

TVM's RPC handles arrays byte by byte, which on a fast link takes longer than the wire; so their
bytes go over a connection of their own, and RPC says only when to run.
"""

from __future__ import annotations

import secrets
import select
import socket
import struct
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import tvm

from ..errors import BoardDamaged, BoardError, BoardLost, BoardUntrusted
from .board_errors import BOARD_FAILURES
from .host_library import Checksum
from .secure_socket import SecureSocket, check_key
from .session import Session

#: As in wire.h; the board turns another one away.
VERSION = 6
#: Token, version: what the host says first.
GREETING = struct.Struct("<16sI")
#: "FXHL", kind, length of what follows; see host_link.cc.
HEADER = struct.Struct("<4sIQ")
#: Checksum of header and what followed.
TRAILER = struct.Struct("<I")
MAGIC = b"FXHL"
INPUTS, FRAME, END, OUTPUTS = 1, 2, 3, 4
#: Bytes of a board's part of an input that are sent from where they lie; shorter runs are copied.
SHORTEST_RUN = 1 << 14
#: Of what comes, as much as it takes to wake a thread: each packet is more work than its bytes.
WAKE_BYTES = 1 << 15
#: Pieces that one call moves; systems take 1024 at most.
WINDOW = 256


class HostLink:
    """A connection to a board on which the native runtime is loaded.

    Parameters
    ----------
    rank : int
        The board's rank, for errors.
    session : Session
        The board.
    inputs, outputs : sequence of NDArray
        Remote arrays that are received into and sent from. They must outlive the link.
    deadline : float
        Seconds without progress after which either side gives up.

    Raises
    ------
    BoardLost
        If the board's port cannot be reached.
    BoardUntrusted
        If one end has a key and the other has another, or none.
    """

    def __init__(
        self,
        rank: int,
        session: Session,
        inputs: Sequence[tvm.nd.NDArray],
        outputs: Sequence[tvm.nd.NDArray],
        deadline: float,
    ):
        token, self._rank, self._checksum = secrets.token_bytes(16), rank, Checksum()
        self._shapes = [(array.shape, array.dtype) for array in outputs]
        check_key(rank, session)
        create = session.remote.get_function("flexpie.host_link")
        self._board = create(rank, session.address, token.hex(), int(deadline * 1000))
        self._board["inputs"](*inputs)
        self._board["outputs"](*outputs)
        functions = (self._board[name] for name in ("run", "call", "take", "give"))
        self._run, self._call, self._take, self._give = functions
        port = int(self._board["port"]())
        try:
            connection = socket.create_connection((session.address, port), deadline)
        except OSError as error:
            raise BoardLost(
                f"board {rank} cannot be reached at {session.address}:{port} ({error}): "
                "the host and the boards need to reach each other's ports",
                rank,
            ) from None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket: socket.socket | SecureSocket = connection
        greeting = GREETING.pack(token, VERSION)
        if session.secure is None:
            connection.sendall(greeting)
            self._board["accept"]()
            return
        self._socket = SecureSocket(connection, session.secure, rank)
        self._accept_securely(self._socket, greeting)

    def _accept_securely(self, connection: SecureSocket, greeting: bytes) -> None:
        """Shake hands with the board, which does so while it accepts."""

        def greet() -> None:
            connection.shake()
            connection.sendall(greeting)

        with ThreadPoolExecutor(1) as beside:
            greeted = beside.submit(greet)
            try:
                self._board["accept"]()
            except BOARD_FAILURES:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                error = greeted.exception()
                if isinstance(error, BoardUntrusted):
                    raise error from None
                raise
            greeted.result()

    def infer(
        self, arrays: Iterable[np.ndarray], module: tvm.runtime.Module, name: str, *arguments
    ) -> list[np.ndarray]:
        """One inference: send inputs, call a function of a remote module, fetch outputs.

        Parameters
        ----------
        arrays : iterable of numpy.ndarray
            Of the inputs' shapes and dtypes, in their order.
        module : tvm.runtime.Module
            A remote module.
        name : str
            The function's; it is called once the inputs are there.
        *arguments
            What it is called with.

        Returns
        -------
        outputs : list of numpy.ndarray
            In the order of the link's outputs.
        """
        self._send(arrays)
        self._run(module, name, *arguments)
        return self._receive()

    def infer_global(self, arrays: Iterable[np.ndarray], name: str, *arguments) -> list[np.ndarray]:
        """As `infer`, with a function that is registered on the board."""
        self._send(arrays)
        self._call(name, *arguments)
        return self._receive()

    def scatter(self, arrays: Iterable[np.ndarray]) -> None:
        """Send inputs and wait until they are there."""
        self._send(arrays)
        self._take()

    def gather(self) -> list[np.ndarray]:
        """Fetch the outputs."""
        self._give()
        return self._receive()

    @property
    def module(self) -> tvm.runtime.Module:
        """The board's end, a remote module."""
        return self._board

    def send_frame(self, arrays: Iterable[np.ndarray]) -> None:
        """Send a frame's inputs; waits while the board has no room for them."""
        self._send(arrays, FRAME)

    def end_frames(self) -> None:
        """Tell the board that there are no more frames."""
        self._socket.sendall(HEADER.pack(MAGIC, END, 0))

    def receive(self) -> list[np.ndarray]:
        """The outputs of the next inference, as soon as the board lets them go."""
        return self._receive()

    def close(self) -> None:
        """End the connection; the board's side with it, if the board is alive."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who waits for the board
        self._socket.close()
        self._board["close"]()

    def _send(self, arrays: Iterable[np.ndarray], kind: int = INPUTS) -> None:
        parts = [run for array in arrays for run in _runs(array)]
        header = HEADER.pack(MAGIC, kind, sum(map(len, parts)))
        trailer = TRAILER.pack(self._checksum.of([header, *parts]))
        rest = _left([header, *parts, trailer], 0)
        while rest:
            rest = _left(rest, self._socket.sendmsg(rest[:WINDOW]))

    def _receive(self) -> list[np.ndarray]:
        outputs = [np.empty(shape, dtype) for shape, dtype in self._shapes]
        header, trailer = bytearray(HEADER.size), bytearray(TRAILER.size)
        parts = [_bytes(output) for output in outputs]
        size, received = sum(map(len, parts)), 0
        rest = _left([header, *parts, trailer], 0)
        while rest:
            awaited = sum(map(len, rest)) if received else HEADER.size
            count = receive_into(self._socket, rest[:WINDOW], awaited)
            if not count:
                raise BoardLost(f"board {self._rank} is lost: it closed the link", self._rank)
            rest, received = _left(rest, count), received + count
            # not at the end: what is no answer may be shorter than one
            if received >= HEADER.size and HEADER.unpack(header) != (MAGIC, OUTPUTS, size):
                raise BoardError(f"board {self._rank} sent what is not its answer", self._rank)
        if TRAILER.unpack(trailer) != (self._checksum.of([header, *parts]),):
            raise BoardDamaged(
                f"{size} bytes from board {self._rank} came damaged: their checksum is not the one "
                "that it sent",
                self._rank,
            )
        return outputs


def receive_into(
    connection: socket.socket | SecureSocket, parts: Sequence[memoryview], awaited: int
) -> int:
    """Receive something into some memory, once there is all that is awaited, or much of it.

    Parameters
    ----------
    connection : socket.socket or SecureSocket
        With a timeout.
    parts : sequence of memoryview
        The memory.
    awaited : int
        Bytes that are still to come, at least.

    Returns
    -------
    count : int
        Bytes; 0 at the end.

    Raises
    ------
    TimeoutError
        If nothing comes.
    """
    if not isinstance(connection, socket.socket):  # bytes of an encrypted record may be held
        return connection.recvmsg_into(parts)[0]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(awaited, WAKE_BYTES))
    try:
        return connection.recvmsg_into(parts)[0]
    except TimeoutError:  # little is progress as well
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        if not select.select([connection], [], [], 0)[0]:
            raise
        return connection.recvmsg_into(parts)[0]


def _left(parts: Iterable, moved: int) -> list[memoryview]:
    """What is left to move of some memory once so many bytes are."""
    left = []
    for part in map(memoryview, parts):
        if len(part) > moved:
            left.append(part[moved:])
        moved = max(0, moved - len(part))
    return left


def _runs(array: np.ndarray) -> list[memoryview]:
    """An array's bytes in their order: where they lie, or copied if that is here and there."""
    axis, length = array.ndim, array.itemsize
    while axis and (array.shape[axis - 1] == 1 or array.strides[axis - 1] == length):
        axis -= 1
        length *= array.shape[axis]
    if axis == 0 or length < SHORTEST_RUN:
        # not ascontiguousarray, which makes a scalar a vector
        return [_bytes(np.asarray(array, order="C"))]
    return [_bytes(array[index]) for index in np.ndindex(array.shape[:axis])]


def _bytes(array: np.ndarray) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))
