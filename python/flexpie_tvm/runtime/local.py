# SPDX-License-Identifier: Apache-2.0
"""Local boards: a tracker and stock TVM RPC servers on loopback, as child processes."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import ClusterError
from ..plan import ClusterSpec
from .link_key import VARIABLE
from .supervise import BATCH, CORES
from .tracker import free_boards

HOST = "127.0.0.1"
START_SECONDS = 120.0


@dataclass(frozen=True)
class LocalBoards:
    """Where the local boards are registered.

    Parameters
    ----------
    host, port : str, int
        The tracker.
    key : str
        The key of the boards.
    pids : tuple of int
        Process groups of the boards, in rank order.
    secure : str or Path or None
        File of the key that encrypts their links.
    """

    host: str
    port: int
    key: str
    pids: tuple[int, ...]
    secure: str | Path | None = None


def as_local(cluster: ClusterSpec, threads: int = 1) -> ClusterSpec:
    """A cluster whose boards are local ones, which share the cores that this process may use.

    Parameters
    ----------
    cluster : ClusterSpec
        The boards.
    threads : int
        Of each board's kernels.

    Returns
    -------
    cluster : ClusterSpec
        With ``at_once``, where there are more boards than cores are enough for.
    """
    at_once = max(1, len(os.sched_getaffinity(0)) // threads)
    return replace(cluster, at_once=at_once if at_once < cluster.boards else 0)


def cores_of(boards: int, threads: int, allowed: Iterable[int]) -> list[tuple[int, ...]]:
    """Cores of each local board: its own, or where there are too few, those of as few others.

    Boards wait for each other at every exchange, so none of them looks busy to the kernel. It
    left two on one core, with another one idle, in two of five pairs: they took twice as long.

    Parameters
    ----------
    boards, threads : int
        How many boards, and threads of each.
    allowed : iterable of int
        Cores that this process may use.

    Returns
    -------
    cores : list of tuple of int
        Of each board, in rank order, so that the first ranks share none; empty tuples if it may
        use all.
    """
    known = sorted(allowed)
    share = max(threads, len(known) // boards)
    groups = len(known) // share
    if boards == 1 or groups < 2:
        return [()] * boards
    return [tuple(known[k % groups * share :][:share]) for k in range(boards)]


@contextmanager
def local_boards(
    boards: int, threads: int = 1, secure: str | Path | None = None
) -> Iterator[LocalBoards]:
    """Start a tracker and RPC servers on loopback; end them on leaving, whatever happens.

    Parameters
    ----------
    boards : int
        Number of servers.
    threads : int
        Threads of each board's kernels.
    secure : str or Path, optional
        File of the key that encrypts their links; ``Cluster.connect`` takes the same.

    Yields
    ------
    boards : LocalBoards
        Where the tracker is, and the key of the boards, all of which have registered.

    Raises
    ------
    ClusterError
        If a server does not come up.
    """
    key = f"flexpie-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (port,) = _free_ports(1)
        log = scratch / "tracker.log"
        command = [sys.executable, "-m", "tvm.exec.rpc_tracker", "--host", HOST]
        tracker = _start(stack, [*command, *_ports(port)], log, {})
        port = _wait_for_tracker(tracker, log)
        pids = []
        cores = cores_of(boards, threads, os.sched_getaffinity(0))
        ports = _free_ports(boards)  # boards are ranked by them
        for rank in range(boards):
            command = [sys.executable, "-m", "tvm.exec.rpc_server", *_ports(ports[rank])]
            log = scratch / f"board{rank}.log"
            settings = {**_settings(threads, secure), **_on(cores[rank], cores)}
            settings["TVM_USE_RUNTIME_LIB"] = "1"
            pids.append(_start_server(stack, command, (HOST, port), key, log, settings).pid)
        _wait_for_boards(port, key, boards, scratch)
        yield LocalBoards(HOST, port, key, tuple(pids), secure)


@contextmanager
def local_server(
    command: Sequence[str],
    tracker: tuple[str, int],
    key: str,
    threads: int = 1,
    secure: str | Path | None = None,
) -> Iterator[None]:
    """Start one RPC server of any kind on loopback, registered under a key; end it on leaving.

    Parameters
    ----------
    command : sequence of str
        Program; it gets the options of ``tvm.exec.rpc_server``.
    tracker : (str, int)
        Host and port of the tracker.
    key : str
        Where it registers.
    threads : int
        Threads of its kernels.
    secure : str or Path, optional
        As for `local_boards`.

    Raises
    ------
    ClusterError
        If it does not come up.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        others = free_boards(HOST, tracker[1], key)  # may be registered under the same key
        log, settings = scratch / "board0.log", _settings(threads, secure)
        command = [*command, *_ports(*_free_ports(1))]
        _start_server(stack, command, tracker, key, log, settings)
        _wait_for_boards(tracker[1], key, others + 1, scratch)
        yield


def _start_server(
    stack: ExitStack,
    command: Sequence[str],
    tracker: tuple[str, int],
    key: str,
    log: Path,
    settings: Mapping[str, str],
) -> subprocess.Popen:
    options = ["--host", HOST, "--tracker", f"{tracker[0]}:{tracker[1]}", "--key", key]
    return _start(stack, [*command, *options], log, settings)


def _settings(threads: int, secure: str | Path | None) -> dict[str, str]:
    key = "" if secure is None else str(Path(secure).absolute())
    return {"TVM_NUM_THREADS": str(threads), VARIABLE: key}


def _on(cores: Sequence[int], all_cores: Sequence[Sequence[int]]) -> dict[str, str]:
    """Settings of a server for some cores, to which TVM then binds no threads."""
    if not cores:
        return {}
    alone = all_cores.count(cores) == 1
    batch = {BATCH: "1"} if alone else {}
    return {CORES: ",".join(map(str, cores)), "TVM_BIND_THREADS": "0", **batch}


def _start(stack: ExitStack, command: Sequence[str], log: Path, extra: Mapping[str, str]):
    supervise = str(Path(__file__).with_name("supervise.py"))
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, supervise, *command],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            env={**os.environ, **extra},
            cwd=log.parent,
            start_new_session=True,
        )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen) -> None:
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody uses now, in ascending order."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return sorted(probe.getsockname()[1] for probe in probes)


def _ports(first: int) -> list[str]:
    return ["--port", str(first), "--port-end", str(min(first + 50, 65535))]


def _wait_for_tracker(process: subprocess.Popen, log: Path) -> int:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"bind to [\d.]+:(\d+)", log.read_text(errors="replace")):
            return int(found[1])
        time.sleep(0.05)
    raise ClusterError(f"the local tracker did not start: {last_line(log)}")


def _wait_for_boards(port: int, key: str, boards: int, scratch: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if free_boards(HOST, port, key) >= boards:
            return
        time.sleep(0.1)
    logs = "; ".join(last_line(log) for log in sorted(scratch.glob("board*.log")))
    raise ClusterError(f"local boards did not register with the tracker: {logs}")


def last_line(log: Path) -> str:
    """What a server said last."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it printed nothing"
