# SPDX-License-Identifier: Apache-2.0
"""Talk to a TVM RPC tracker: how many boards are free, and give me one."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tvm
from tvm import rpc
from tvm.rpc import base

from ..errors import ClusterError
from .workers import Workers

# A tracker answers at once; a board starts a process first, which imports TVM.
ANSWER_SECONDS = 5.0
BOARD_SECONDS = 60.0


class Session:
    """A board that the tracker gave us.

    Attributes
    ----------
    remote : tvm.rpc.RPCSession
        Its RPC session.
    address : str
        The address that reaches it.
    """

    def __init__(self, remote: rpc.RPCSession, address: str):
        self.remote, self.address = remote, address
        self._kept: dict[str, tvm.runtime.Module] = {}

    def load(self, path: Path) -> tvm.runtime.Module:
        """Upload a library under a name of its own and load it.

        Writing over a library that is loaded would change the code under a running server.
        """
        name = f"{path.stem}-{secrets.token_hex(4)}{path.suffix}"
        self.remote.upload(str(path), name)
        return self.remote.load_module(name)

    def load_once(self, path: Path) -> tvm.runtime.Module:
        """Load a library and keep it for as long as the session lives."""
        if path.name not in self._kept:
            self._kept[path.name] = self.load(path)
        return self._kept[path.name]


class _Tracker(rpc.TrackerSession):
    """TVM's session with a deadline on every wait: it tries once, and its socket times out."""

    def _connect(self) -> None:
        self._sock = socket.create_connection(self._addr, timeout=ANSWER_SECONDS)
        self._sock.sendall(struct.pack("<i", base.RPC_TRACKER_MAGIC))
        if struct.unpack("<i", base.recvall(self._sock, 4))[0] != base.RPC_TRACKER_MAGIC:
            raise ConnectionError("it is not a TVM RPC tracker")


def connect_tracker(host: str, port: int) -> rpc.TrackerSession:
    """Connect; ``ClusterError`` if nobody answers or the answer is not a tracker's."""
    with _named(host, port):
        return _Tracker((host, port))


@contextmanager
def _named(host: str, port: int) -> Iterator[None]:
    """Errors of a connection to a tracker, as one that names it and says what to do."""
    try:
        yield
    # a name with an empty label is a UnicodeError, text that is not JSON a ValueError
    except (OSError, OverflowError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ClusterError(
            f"tracker {host}:{port} cannot be reached ({reason}): "
            "start one with 'python -m tvm.exec.rpc_tracker' and check --tracker"
        ) from None


def free_boards(host: str, port: int, key: str) -> int:
    """Number of boards that wait for work under a key."""
    tracker = connect_tracker(host, port)
    try:
        with _named(host, port):
            return _free(tracker, key)
    finally:
        tracker.close()


def request_boards(host: str, port: int, key: str, boards: int, wait: float = 5.0) -> list[Session]:
    """Take boards from the tracker.

    Parameters
    ----------
    host, port : str, int
        The tracker.
    key : str
        The boards' key.
    boards : int
        How many.
    wait : float
        Seconds to wait for boards that are just being released.

    Raises
    ------
    ClusterError
        If the tracker cannot be reached or has too few free boards.
    """
    tracker = connect_tracker(host, port)
    try:
        with _named(host, port):
            until = time.monotonic() + wait
            while (free := _free(tracker, key)) < boards and time.monotonic() < until:
                time.sleep(0.1)
            if free < boards:
                raise ClusterError(
                    f"tracker {host}:{port} has {free} free boards under key '{key}', {boards} "
                    "are asked for: start more servers or ask for fewer with --boards"
                )
            places = [_request(tracker, key) for _ in range(boards)]
    finally:
        tracker.close()
    return _connect_boards(places)


def _free(tracker: rpc.TrackerSession, key: str) -> int:
    return int(tracker.summary()["queue_info"].get(key, {}).get("free", 0))


def _request(tracker: rpc.TrackerSession, key: str) -> tuple[str, int, str]:
    """Address, port and match key of a board that is now ours to connect to."""
    # TrackerSession.request does not tell the address, which the board's peers need.
    base.sendjson(tracker._sock, [base.TrackerCode.REQUEST, key, "", 1])
    try:
        answer = base.recvjson(tracker._sock)
    except TimeoutError:
        raise ClusterError(f"somebody else took a board under key '{key}': try again") from None
    if answer[0] != base.TrackerCode.SUCCESS:
        raise ClusterError(f"the tracker refused a board under key '{key}': {answer}")
    return tuple(answer[1])


def _connect_boards(places: list[tuple[str, int, str]]) -> list[Session]:
    """A session with every board; one that is switched off would keep its caller for minutes."""
    workers = Workers(len(places))
    sessions, failures, silent = workers.each(
        lambda rank: Session(rpc.connect(*places[rank]), places[rank][0]), BOARD_SECONDS
    )
    workers.close()
    for rank in sorted({*failures, *silent}):
        address, port, _ = places[rank]
        reason = str(failures.get(rank, f"no answer within {BOARD_SECONDS:.0f} s"))
        raise ClusterError(
            f"board {address}:{port} is registered but does not answer: {reason.splitlines()[-1]}"
        )
    return sessions
