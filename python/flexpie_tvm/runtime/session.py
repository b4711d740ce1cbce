# SPDX-License-Identifier: Apache-2.0
"""A board that is ours: its RPC session, which ends when it is told to."""

from __future__ import annotations

import gc
import os
import secrets
import socket
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import tvm
from tvm import rpc

from ..errors import ClusterError
from .board_errors import session_broke
from .board_files import BoardFiles
from .host_library import host_library
from .link_key import LinkKey
from .native import native_library

#: What a call that is under way is given to end before its connection is broken off, and what its
#: thread needs to notice that.
CALL_SECONDS, WAKING_SECONDS = 0.5, 5.0


class Session:
    """A board that the tracker gave us.

    Parameters
    ----------
    remote : tvm.rpc.RPCSession
        Its RPC session.
    address : str
        The address that reaches it.
    port : int
        Its server's port there.

    Attributes
    ----------
    lock : threading.RLock
        Held by whoever computes on it. A session computes one thing at a time, and two
        deployments that took the same boards in different orders would wait for each other.
    in_use : threading.RLock
        Held by a thread other than the caller's while it talks to the board: TVM crashes if a
        connection is closed under a call.
    files : BoardFiles
        Libraries that are in the session's folder on the board.
    secure : LinkKey or None
        What encrypts the host's links to it; the board has the same.
    """

    def __init__(self, remote: rpc.RPCSession, address: str, port: int):
        self._remote: rpc.RPCSession | None = remote
        self.address, self.port = address, port
        self.secure: LinkKey | None = None
        self.lock, self.in_use = threading.RLock(), threading.RLock()
        self._socket = _connection(address, port)
        self._kept: dict[Path, tvm.runtime.Module] = {}
        self._arch: str | None = None
        self.files = BoardFiles()
        self._left: list[tvm.nd.NDArray] = []  # arrays that cannot be freed on the board any more

    @classmethod
    def connect(cls, host: str, port: int, match_key: str) -> Session:
        """Begin a session with a board that a tracker named.

        Raises
        ------
        ClusterError
            If the board waits for a guest with another key. A board that nobody came to for a
            while draws a new one, for instance after it was frozen, and the tracker does not
            forget the old one; or the key was used for a session that this process had no room
            for. The board has registered again, or soon will.
        """
        try:
            return cls(rpc.connect(host, port, match_key), host, port)
        except tvm.error.TVMError as error:
            if "cannot find server that matches key" in str(error):
                reason = f"board {host}:{port} is registered under a key that it has given up"
            elif "maximum number of RPC session" in str(error):  # found after the key was used
                gc.collect()  # errors of lost boards keep theirs until their frames are collected
                reason = "this process has as many sessions with boards as TVM allows: close some"
            else:
                raise
        raise ClusterError(reason)

    @property
    def remote(self) -> rpc.RPCSession:
        """Its RPC session; ``TVMError`` once it has ended."""
        if self._remote is None:
            raise tvm.error.TVMError(f"the connection to {self.address}:{self.port} was closed")
        return self._remote

    def load(self, path: Path) -> tvm.runtime.Module:
        """Upload a library under a name of its own and load it."""
        name = unused_name(path)
        self.remote.upload(str(path), name)
        return self.remote.load_module(name)

    def load_once(self, path: Path) -> tvm.runtime.Module:
        """Load a library and keep it for as long as the session lives."""
        if path not in self._kept:
            self._kept[path] = self.load(path)
        return self._kept[path]

    def arch(self, candidates: Sequence[str]) -> str | None:
        """The board's architecture: the first whose native runtime it loads.

        No function of a stock server tells it, and what the system says is the host's where
        the server runs in an emulator.

        Parameters
        ----------
        candidates : sequence of str
            Such as ``x86_64`` and ``aarch64``.

        Returns
        -------
        arch : str or None
            None if it loads none of them.
        """
        with self.in_use:
            if self._arch is None:
                self._arch = next((arch for arch in candidates if self._loads(arch)), None)
            return self._arch if self._arch in candidates else None

    def release(self, array: tvm.nd.NDArray, alive: bool) -> None:
        """Free a remote array now, while its board can be asked to.

        Of a lost board nothing is freed there. Here it keeps the session until the connection is
        closed: asking a frozen board would take forever.
        """
        if alive:
            array.__del__()
            array.is_view = True  # it is freed
            return
        host_library()  # which has the function
        tvm.get_global_func("flexpie.let_go")(array)
        self._left.append(array)

    def break_off(self) -> None:
        """Wake whoever waits for an answer of this board: there will be none."""
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                self._socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Close the connection, whatever references to it live on; the board is free then.

        A thread that waits for an answer of the board is woken.
        """
        if not self.in_use.acquire(timeout=CALL_SECONDS):
            self.break_off()
            if not self.in_use.acquire(timeout=WAKING_SECONDS):
                return  # closing it under a call would crash; the board sees it is broken off
        try:
            with suppress(tvm.error.TVMError):  # it broke before, or has ended
                self.remote._sess["CloseRPCConnection"]()
            # not before: freeing these would ask a board that may be frozen
            self._kept, self._left, self._remote = {}, [], None
        finally:
            self.in_use.release()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _loads(self, arch: str) -> bool:
        try:
            self.load_once(native_library(arch))
        except tvm.error.TVMError as error:
            if session_broke(str(error)):
                raise
            return False
        return True


def unused_name(path: Path) -> str:
    """A name for a library on a board.

    Writing over a library that is loaded would change the code under a running server.
    """
    return f"{path.stem}-{secrets.token_hex(4)}{path.suffix}"


def _connection(host: str, port: int) -> socket.socket | None:
    """The newest connection of this process to a place, by a handle of our own: TVM lends none."""
    try:
        places = {place[4][:2] for place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        files = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        return None
    newest, age = None, -1
    for file in files:
        found = _handle(file)
        if found is None:
            continue
        handle, inode = found
        if inode > age and _peer(handle) in places:
            handle, newest, age = newest, handle, inode
        if handle is not None:
            handle.close()
    return newest


def _handle(file: int) -> tuple[socket.socket, int] | None:
    try:
        about = os.fstat(file)
        if stat.S_ISSOCK(about.st_mode):
            return socket.socket(fileno=os.dup(file)), about.st_ino
    except OSError:  # it was closed meanwhile
        pass
    return None


def _peer(handle: socket.socket) -> tuple | None:
    try:
        return handle.getpeername()[:2]
    except OSError:
        return None
