# SPDX-License-Identifier: Apache-2.0
"""The way of the inputs from the host to a board and of the answers back.

TVM's RPC handles arrays byte by byte, which on a fast link takes longer than the wire; so their
bytes go over a connection of their own, and RPC says only when to run.
"""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np
import tvm

from ..errors import BoardError, BoardLost
from .session import Session

#: "FXHL", kind, length of what follows; see host_link.cc.
HEADER = struct.Struct("<4sIQ")
MAGIC = b"FXHL"
INPUTS, FRAME, END, OUTPUTS = 1, 2, 3, 4
#: Bytes that are copied rather than sent on their own.
SMALL = 16384


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
    """

    def __init__(
        self,
        rank: int,
        session: Session,
        inputs: Sequence[tvm.nd.NDArray],
        outputs: Sequence[tvm.nd.NDArray],
        deadline: float,
    ):
        token, self._rank = secrets.token_bytes(16), rank
        self._shapes = [(array.shape, array.dtype) for array in outputs]
        create = session.remote.get_function("flexpie.host_link")
        self._board = create(rank, session.address, token.hex(), int(deadline * 1000))
        self._board["inputs"](*inputs)
        self._board["outputs"](*outputs)
        names = ("run", "call", "take", "give", "serve")
        functions = (self._board[name] for name in names)
        self._run, self._call, self._take, self._give, self._serve = functions
        port = int(self._board["port"]())
        try:
            self._socket = socket.create_connection((session.address, port), deadline)
        except OSError as error:
            raise BoardLost(
                f"board {rank} cannot be reached at {session.address}:{port} ({error}): "
                "the host and the boards need to reach each other's ports",
                rank,
            ) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(token)
        self._board["accept"]()

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

    def serve(self, board: tvm.runtime.Module, graph: tvm.runtime.Module, frame: int) -> int:
        """Have a board run frames as they come; returns their number once they have ended.

        Parameters
        ----------
        board : tvm.runtime.Module
            The remote board.
        graph : tvm.runtime.Module
            The graph executor that it runs.
        frame : int
            Number of the first frame.
        """
        return int(self._serve(board, graph, frame))

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
        # not ascontiguousarray, which makes a scalar a vector
        parts = [_bytes(np.asarray(array, order="C")) for array in arrays]
        header = HEADER.pack(MAGIC, kind, sum(map(len, parts)))
        for part in _joined(header, parts):
            self._socket.sendall(part)

    def _receive(self) -> list[np.ndarray]:
        outputs = [np.empty(shape, dtype) for shape, dtype in self._shapes]
        header = bytearray(HEADER.size)
        self._fill(memoryview(header))
        expected = MAGIC, OUTPUTS, sum(output.nbytes for output in outputs)
        if HEADER.unpack(header) != expected:
            raise BoardError(f"board {self._rank} sent what is not its answer", self._rank)
        for output in outputs:
            self._fill(_bytes(output))
        return outputs

    def _fill(self, rest: memoryview) -> None:
        while rest:
            received = self._socket.recv_into(rest)
            if not received:
                raise BoardLost(f"board {self._rank} is lost: it closed the link", self._rank)
            rest = rest[received:]


def _joined(header: bytes, parts: list[memoryview]) -> list:
    """Header and small inputs in one piece, which is one packet."""
    if sum(map(len, parts)) <= SMALL:
        return [b"".join([header, *parts])]
    return [header, *parts]


def _bytes(array: np.ndarray) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))
