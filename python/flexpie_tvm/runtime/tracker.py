# SPDX-License-Identifier: Apache-2.0
"""Talk to a TVM RPC tracker: how many boards are free, and give me one."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path

import tvm
from tvm import rpc
from tvm.rpc import base

from ..errors import ClusterError

CONNECT_SECONDS = 5.0


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


def connect_tracker(host: str, port: int) -> rpc.TrackerSession:
    """Connect; ``ClusterError`` if nobody answers or the answer is not a tracker's."""
    try:
        # TVM's client retries for a minute; one try tells whether anybody listens.
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
        return rpc.connect_tracker(host, port)
    except (OSError, RuntimeError, tvm.error.TVMError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[-1]
        raise ClusterError(
            f"tracker {host}:{port} cannot be reached ({reason}): "
            "start one with 'python -m tvm.exec.rpc_tracker' and check --tracker"
        ) from None


def free_boards(host: str, port: int, key: str) -> int:
    """Number of boards that wait for work under a key."""
    tracker = connect_tracker(host, port)
    try:
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
        until = time.monotonic() + wait
        while (free := _free(tracker, key)) < boards and time.monotonic() < until:
            time.sleep(0.1)
        if free < boards:
            raise ClusterError(
                f"tracker {host}:{port} has {free} free boards under key '{key}', {boards} are "
                "asked for: start more servers or ask for fewer with --boards"
            )
        return [_request(tracker, key) for _ in range(boards)]
    finally:
        tracker.close()


def _free(tracker: rpc.TrackerSession, key: str) -> int:
    return int(tracker.summary()["queue_info"].get(key, {}).get("free", 0))


def _request(tracker: rpc.TrackerSession, key: str) -> Session:
    # TrackerSession.request does not tell the address, which the board's peers need.
    base.sendjson(tracker._sock, [base.TrackerCode.REQUEST, key, "", 1])
    answer = base.recvjson(tracker._sock)
    if answer[0] != base.TrackerCode.SUCCESS:
        raise ClusterError(f"the tracker refused a board under key '{key}': {answer}")
    address, port, match = answer[1]
    try:
        return Session(rpc.connect(address, port, match), address)
    except tvm.error.TVMError as error:
        raise ClusterError(
            f"board {address}:{port} is registered but does not answer: "
            f"{str(error).splitlines()[-1]}"
        ) from None
