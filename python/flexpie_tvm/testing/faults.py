# SPDX-License-Identifier: Apache-2.0
"""Faults that boards of ``flexpie board`` on this machine are given, and what comes of each.

A fault is a kind (a session or a server that is killed or frozen), a victim and a moment. Of
every one it is asked: was each answer right, was the right board named, how long did the caller
wait, and how soon were the boards free and registered again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FlexPieError
from ..lab.testbed import Testbed
from ..lab.testbed.network import BoardNetwork
from ..runtime import Artifact, Cluster, LocalBoards, relative_error
from ..runtime.tracker import free_boards

KINDS = ("kill session", "kill server", "freeze", "freeze and thaw")
MOMENTS = ("idle", "run", "deploy")
COMMAND = (str(Path(sys.executable).with_name("flexpie")), "board")
#: Seconds to wait for boards at most.
PATIENCE = 120.0


@dataclass(frozen=True)
class Fault:
    """What is done to whom, and when.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    moment : str
        One of `MOMENTS`: before a run, somewhere in runs, or while an artifact is deployed.
    victim : int
        Rank of the board.
    delay : float
        Seconds from the beginning of the moment.
    frozen : float
        Seconds, of ``freeze and thaw``.
    """

    kind: str
    moment: str
    victim: int
    delay: float
    frozen: float


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Parameters
    ----------
    error : str
        What the caller was told; empty if all answers came.
    named : bool
        Whether the error names the victim; true without an error.
    wrong : int
        Answers that were not right.
    raw : bool
        Whether the error was none of ours.
    waited : float
        Seconds from the fault to the end of the last call.
    free, registered : float
        Seconds from ``close()`` until the other boards, and until all, were free again.
    """

    error: str
    named: bool
    wrong: int
    raw: bool
    waited: float
    free: float
    registered: float


def draw(rng: np.random.Generator, boards: int, deadline: float) -> Fault:
    """A random fault."""
    kind, moment = str(rng.choice(KINDS)), str(rng.choice(MOMENTS))
    delay = {"idle": 0.0, "run": 0.05, "deploy": 0.3}[moment] * float(rng.random())
    return Fault(kind, moment, int(rng.integers(boards)), delay,
                 deadline * float(rng.uniform(0.3, 3)))  # fmt: skip


@contextmanager
def board_services(
    tracker: LocalBoards | Testbed,
    key: str,
    boards: int,
    port: int,
    network: BoardNetwork | None = None,
) -> Iterator[list[int]]:
    """Boards that stay registered; the ids of their processes.

    Parameters
    ----------
    tracker : LocalBoards or Testbed
        Where they register.
    key : str
        Under which key.
    boards : int
        How many.
    port : int
        The first board's port; each has others than the one before.
    network : BoardNetwork, optional
        Of a testbed, in whose namespaces they are then.
    """
    services = []
    for k in range(boards):
        where = ["--tracker", f"{tracker.host}:{tracker.port}", "--key", key]
        where += ["--port", str(port + 20 * k), "--threads", "1", "--host"]
        where += [network.address(k) if network else tracker.host]
        enter = ["ip", "netns", "exec", network.board(k)] if network else []
        services.append(
            subprocess.Popen([*enter, *COMMAND, *where, "--alive", "4"], stderr=subprocess.DEVNULL)
        )
    try:
        wait_for(tracker, key, boards)
        yield [service.pid for service in services]
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.wait()


def wait_for(tracker: LocalBoards | Testbed, key: str, boards: int) -> float:
    """Seconds until so many boards are free; `PATIENCE` if they never are."""
    start = time.monotonic()
    while (waited := time.monotonic() - start) < PATIENCE:
        if free_boards(tracker.host, tracker.port, key) >= boards:
            return waited
        time.sleep(0.02)
    return PATIENCE


def try_fault(
    fault: Fault,
    artifact: Artifact,
    inputs: Mapping[str, np.ndarray],
    answers: list[np.ndarray],
    tracker: LocalBoards | Testbed,
    key: str,
    services: list[int],
    deadline: float,
    on_board_lost: str = "raise",
) -> Outcome:
    """Take the boards, deploy, run, be struck, give the boards back."""
    boards, wrong, error = artifact.boards, 0, None
    cluster = Cluster.connect((tracker.host, tracker.port), key, boards)
    struck: list[float] = []
    victim = server_of(cluster.sessions[fault.victim].port, services)

    def strike() -> None:
        struck.append(time.monotonic())
        strike_server(fault, victim)

    timer = threading.Timer(fault.delay, strike)
    try:
        if fault.moment == "deploy":
            timer.start()
        deployment = cluster.deploy(artifact, deadline, on_board_lost)
        wrong += _runs(deployment, inputs, answers, 3, on_board_lost)
        if fault.moment == "idle":
            strike()
        elif fault.moment == "run":
            timer.start()
        until = time.monotonic() + 0.5
        while not struck or time.monotonic() < until:
            wrong += _runs(deployment, inputs, answers, 1, on_board_lost)
    except Exception as caught:
        error = caught
    waited = time.monotonic() - (struck or [time.monotonic()])[0]
    timer.cancel()
    if timer.ident is not None:
        timer.join()
    cluster.close()
    free = wait_for(tracker, key, boards - 1)
    if fault.kind == "freeze":
        signal_group(victim, signal.SIGCONT)
    registered = free + wait_for(tracker, key, boards)
    said = "" if error is None else str(error)
    named = error is None or f"board {fault.victim}" in said
    raw = error is not None and not isinstance(error, FlexPieError)
    return Outcome(said, named, wrong, raw, waited, free, registered)


def _runs(deployment, inputs, answers: list[np.ndarray], count: int, on_board_lost: str) -> int:
    """Answers that are not right."""
    wrong = 0
    for _ in range(count):
        found = deployment.run(inputs, on_board_lost)
        wrong += any(relative_error(a, b) > 1e-4 for a, b in zip(found, answers, strict=True))
    return wrong


def strike_server(fault: Fault, server: int) -> None:
    """Do it to a server and its sessions."""
    if fault.kind == "kill session":
        for session in children(server):
            os.kill(session, signal.SIGKILL)
    elif fault.kind == "kill server":
        signal_group(server, signal.SIGKILL)
    else:
        signal_group(server, signal.SIGSTOP)
        if fault.kind == "freeze and thaw":
            threading.Timer(fault.frozen, signal_group, (server, signal.SIGCONT)).start()


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a server and its sessions, if they are still there."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


def server_of(port: int, services: list[int]) -> int:
    """The process of a service that listens on a port, which leads its group."""
    for service in services:
        for server in children(service):
            if port in _listening(server):
                return server
    raise AssertionError(f"no board listens on port {port}")


def children(parent: int) -> list[int]:
    """Processes that a process started."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry))
    return found


def _listening(process: int) -> set[int]:
    """Ports that a process listens on."""
    inodes = set()
    for name in Path(f"/proc/{process}/fd").iterdir():
        try:
            target = os.readlink(name)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    table = Path(f"/proc/{process}/net/tcp").read_text()  # of its own network namespace
    rows = [line.split() for line in table.splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A" and row[9] in inodes}
