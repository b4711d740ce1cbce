# SPDX-License-Identifier: Apache-2.0
"""One fault on boards of a testbed, and what comes of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from flexpie_tvm.errors import FlexPieError
from flexpie_tvm.runtime import Artifact, Cluster, Deployment, relative_error

from .boards import Boards
from .fault import Fault, Outcome, is_named

#: Seconds in which a deployment of the network that is used begins, for the moment of a fault.
DEPLOYING = 0.5
#: Seconds that runs go on after a fault.
AFTER = 0.5


@dataclass(frozen=True)
class Work:
    """What boards are given to do.

    Parameters
    ----------
    artifacts : mapping
        Number of boards -> artifact.
    inputs, answers
        Of the model; what one board answers.
    deadline : float
        Seconds.
    """

    artifacts: Mapping[int, Artifact]
    inputs: Mapping[str, np.ndarray]
    answers: list[np.ndarray]
    deadline: float

    def is_right(self, found: list[np.ndarray]) -> bool:
        """Whether an answer is one board's."""
        return all(relative_error(a, b) < 1e-4 for a, b in zip(found, self.answers, strict=True))


@dataclass
class Seen:
    """What a caller sees."""

    wrong: int = 0
    answers: int = 0
    longest: float = 0.0
    struck: float = float("inf")
    over: float = float("inf")
    error: Exception | None = None

    def call(self, work: Callable[[], object]) -> object:
        """Do something; how long it takes counts from the fault on."""
        start = time.monotonic()
        try:
            return work()
        finally:
            now = time.monotonic()
            if now > self.struck:
                self.longest = max(self.longest, now - max(start, self.struck))


def try_fault(fault: Fault, boards: Boards, work: Work, on_board_lost: str) -> Outcome:
    """Take boards, deploy, run, be struck, give the boards back."""
    boards.wait_for(boards.count)
    if fault.kind == "kill host":
        return _without_host(fault, boards, work)
    seen, place = Seen(), (boards.bed.host, boards.bed.port)
    cluster = Cluster.connect(place, boards.key, fault.boards)
    numbers = [boards.number(session.address) for session in cluster.sessions]
    victim, other = numbers[fault.victim], numbers[fault.other]
    begun, undone = threading.Event(), threading.Event()

    def strike(delay: float) -> None:
        time.sleep(delay)
        seen.struck = time.monotonic()
        with boards.struck(fault, victim, other):
            begun.set()
            undone.wait(fault.seconds if fault.ends else None)
        seen.over = time.monotonic()

    striker: threading.Thread | None = None
    try:
        if fault.moment == "deploy":
            striker = _started(strike, fault.at * DEPLOYING)
        deployment = seen.call(
            lambda: cluster.deploy(work.artifacts[fault.boards], work.deadline, on_board_lost)
        )
        for _ in range(3):
            _run(deployment, work, seen, on_board_lost)
        if striker is None:
            striker = _started(strike, _delay(fault, deployment))
            if fault.moment == "idle":
                begun.wait()
        while not _is_through(fault, seen):
            _run(deployment, work, seen, on_board_lost)
    except Exception as caught:
        seen.error = caught
    return _ended(fault, boards, cluster, seen, striker, begun, undone)


def _ended(fault, boards: Boards, cluster: Cluster, seen: Seen, striker, begun, undone) -> Outcome:
    """Give the boards back, and see when they are free."""
    if striker is not None:
        begun.wait()
    if fault.ends and fault.kind.endswith("down"):  # the tracker may be out of reach, too
        striker.join()
    cluster.close()
    free = boards.wait_for(boards.count - 1)
    undone.set()
    if striker is not None:
        striker.join()
    registered = free + boards.wait_for(boards.count)
    error = seen.error
    return Outcome(
        "" if error is None else str(error),
        "" if error is None else type(error).__name__,
        is_named(fault, error),
        seen.wrong,
        seen.answers,
        error is not None and not isinstance(error, FlexPieError),
        seen.longest,
        free,
        registered,
    )


def _run(deployment: Deployment, work: Work, seen: Seen, on_board_lost: str) -> None:
    found = seen.call(lambda: deployment.run(work.inputs, on_board_lost))
    seen.answers += 1
    seen.wrong += not work.is_right(found)


def _is_through(fault: Fault, seen: Seen) -> bool:
    """Whether enough was seen of a fault."""
    now = time.monotonic()
    return now > seen.over + AFTER if fault.ends else now > seen.struck + AFTER


def _delay(fault: Fault, deployment: Deployment) -> float:
    """Seconds from now until a board is at something, if a run begins now."""
    if fault.moment == "idle":
        return 0.0
    events = [
        event
        for event in deployment.timeline().events
        if event.board == fault.victim and event.what == fault.moment
    ]
    if not events:
        return 0.0
    event = events[int(fault.at * len(events))]
    return (event.start + (event.stop - event.start) * fault.at) / 1e3


def _started(work: Callable[[float], None], delay: float) -> threading.Thread:
    thread = threading.Thread(target=work, args=(delay,), daemon=True)
    thread.start()
    return thread


def _without_host(fault: Fault, boards: Boards, work: Work) -> Outcome:
    """Another process is the host, and is killed."""
    told, tell = os.pipe()
    host = os.fork()
    if host == 0:
        _be_host(fault, boards, work, tell)
    try:
        os.close(tell)
        os.read(told, 1)
        time.sleep(fault.at * DEPLOYING)
    finally:
        os.kill(host, signal.SIGKILL)
        os.waitpid(host, 0)
        os.close(told)
    registered = boards.wait_for(boards.count)
    return Outcome("", "", True, 0, 0, False, 0.0, 0.0, registered)


def _be_host(fault: Fault, boards: Boards, work: Work, tell: int) -> None:
    """Never returns."""
    try:
        place = (boards.bed.host, boards.bed.port)
        cluster = Cluster.connect(place, boards.key, fault.boards)
        if fault.moment == "deploy":
            os.write(tell, b"?")
        deployment = cluster.deploy(work.artifacts[fault.boards], work.deadline)
        deployment.run(work.inputs)
        if fault.moment != "deploy":
            os.write(tell, b"?")
        while True:
            if fault.moment == "idle":
                time.sleep(60)
            deployment.run(work.inputs)
    finally:
        os._exit(1)
