# SPDX-License-Identifier: Apache-2.0
"""Talk to a TVM RPC tracker: how many boards are free, and give me one."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tvm import rpc
from tvm.error import TVMError
from tvm.rpc import base

from ..errors import BoardLost, ClusterError
from .board_errors import own_link_down
from .reach import unreached
from .session import Session
from .workers import Workers

# A tracker answers at once; a board starts a process first, which imports TVM.
ANSWER_SECONDS = 5.0
BOARD_SECONDS = 60.0
#: For so long a board is called again that cannot be called: systems must find each other anew
#: after a link was cut. A board that nobody comes to is free again after eight seconds only.
CALL_SECONDS, PAUSE_SECONDS = 2.0, 0.2

# Address, port, and a match key or (of a registered board) its key.
Place = tuple[str, int, str]


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
    """Take boards from the tracker; they come in the order of their addresses.

    Parameters
    ----------
    host, port : str, int
        The tracker.
    key : str
        The boards' key.
    boards : int
        How many.
    wait : float
        Seconds to wait for boards that are just being released or are registering anew.

    Raises
    ------
    ClusterError
        If the tracker cannot be reached or has too few free boards, or one does not answer.
    """
    until = time.monotonic() + wait
    failed: ClusterError | None = None
    while True:
        left = max(0.0, until - time.monotonic())
        try:
            with _enough(host, port, key, boards, left) as tracker:
                places = [_request(tracker, key) for _ in range(boards)]
        except ClusterError as error:
            raise failed or error from None  # too few are free because one failed
        try:
            return _connect_boards(sorted(places, key=by_address))
        except ClusterError as error:  # the tracker has forgotten that board now
            failed = error
            if time.monotonic() >= until:
                raise


def by_address(place: Place) -> tuple:
    """Sorting key that puts boards in the order of their addresses (as numbers) and ports.

    A tracker hands boards out in any order, but ranks must mean the same boards every time:
    plans know each rank's speed and, on a ring, its neighbours.
    """
    host, port, *_ = place
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return 2, 0, host, port
    return address.version == 6, int(address), host, port


def check_boards(host: str, port: int, key: str, boards: int, wait: float = 5.0) -> None:
    """``ClusterError`` if `request_boards` would fail now; takes none."""
    with _enough(host, port, key, boards, wait):
        pass


@contextmanager
def _enough(
    host: str, port: int, key: str, boards: int, wait: float
) -> Iterator[rpc.TrackerSession]:
    """A connection to a tracker that has enough free boards."""
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
            yield tracker
    finally:
        tracker.close()


def take_free(host: str, port: int, key: str | None) -> tuple[list[Place], dict[Place, Place]]:
    """Take all free boards for a moment.

    Parameters
    ----------
    host, port : str, int
        The tracker.
    key : str or None
        Only boards that registered under it.

    Returns
    -------
    registered : list
        Address, port and key of every board, free or not.
    taken : dict
        Those that are ours now -> address, port and match key, to connect with.

    Raises
    ------
    ClusterError
        If the tracker cannot be reached.
    """
    tracker = connect_tracker(host, port)
    try:
        with _named(host, port):
            servers = tracker.summary()["server_info"]
            found = {(*s["addr"], s["key"].removeprefix("server:")) for s in servers}
            registered = sorted((b for b in found if key in (None, b[2])), key=by_address)
            taken = {}
            for name in sorted({board[2] for board in registered}):
                for _ in range(_free(tracker, name)):
                    place = _request(tracker, name)
                    taken[(*place[:2], name)] = place
    finally:
        tracker.close()
    return registered, taken


def _free(tracker: rpc.TrackerSession, key: str) -> int:
    return int(tracker.summary()["queue_info"].get(key, {}).get("free", 0))


def _request(tracker: rpc.TrackerSession, key: str) -> Place:
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


def board_archs(
    sessions: Sequence[Session], candidates: Sequence[str], seconds: float
) -> list[str | None]:
    """Architecture of every board, asked all at once; None where it is none of the candidates.

    Parameters
    ----------
    sessions : sequence of Session
        The boards.
    candidates : sequence of str
        Such as ``x86_64`` and ``aarch64``.
    seconds : float
        How long each may take; one that was not asked before gets a native runtime.

    Raises
    ------
    BoardLost
        If a board does not answer.
    LinkLost
        If the host reaches none of several boards.
    """
    names = [
        f"board {rank} ({session.address}:{session.port}) does not answer"
        for rank, session in enumerate(sessions)
    ]
    failed, results = _ask_all(lambda rank: sessions[rank].arch(candidates), names, seconds)
    if failed is not None:
        places = {rank: (one.address, one.port) for rank, one in enumerate(sessions)}
        if len(unreached(places)) == len(places) > 1:
            raise own_link_down(len(places))
        raise BoardLost(str(failed[1]), failed[0])
    return results


def _connect_boards(places: list[Place]) -> list[Session]:
    """A session with every board; one that is switched off would keep its caller for minutes."""
    names = [f"board {host}:{port} is registered but does not answer" for host, port, _ in places]
    begun: list[Session] = []
    given_up = threading.Event()

    def connect(rank: int) -> Session:
        session = patiently(lambda: Session.connect(*places[rank]), given_up)
        begun.append(session)
        if given_up.is_set():  # it came too late
            session.end()
        return session

    try:
        failed, results = _ask_all(connect, names, BOARD_SECONDS)
        if failed is not None:
            raise failed[1]
        return results
    except BaseException:
        given_up.set()
        for session in list(begun):
            session.end()
        raise


def patiently(call: Callable[[], Session], given_up: threading.Event) -> Session:
    """A session with a board; it is called again for a moment if it cannot be called."""
    until = time.monotonic() + CALL_SECONDS
    while True:
        try:
            return call()
        except TVMError as error:
            over = time.monotonic() > until or given_up.is_set()
            if over or "Connect to " not in str(error):
                raise
        given_up.wait(PAUSE_SECONDS)


def _ask_all(
    work: Callable[[int], object], complaints: Sequence[str], seconds: float
) -> tuple[tuple[int, ClusterError] | None, list]:
    """Do the same on all boards: the first board that failed and its complaint, and the results."""
    workers = Workers(len(complaints))
    results, failures, silent = workers.each(work, seconds)
    workers.close()
    for rank in sorted({*failures, *silent}):
        error = failures.get(rank, f"no answer within {seconds:.0f} s")
        if not isinstance(error, ClusterError):
            error = ClusterError(f"{complaints[rank]}: {str(error).splitlines()[-1]}")
        return (rank, error), results
    return None, results
