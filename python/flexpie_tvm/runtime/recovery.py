# SPDX-License-Identifier: Apache-2.0
"""Answers also when boards are lost: the request is repeated on those that are left."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import BoardError, BoardLost, ClosedError, ClusterError, FlexPieError
from .artifact import Artifact, load_artifact
from .board_errors import RECOVERABLE
from .fallback import Fallback, build_now, built_ahead
from .native import target_arch
from .replay import Replay
from .session import Session
from .tracker import board_archs
from .workers import Workers

if TYPE_CHECKING:
    from .deployment import Deployment

LOGGER = logging.getLogger(__name__)
#: What a board that is alive needs at most to say so. It may have a kernel to end first.
ALIVE_SECONDS = 2.0
#: Seconds between looks for boards that came back.
LOOK_SECONDS = 1.0


class Pool(Protocol):
    """Where boards come from: a `Cluster`."""

    sessions: list[Session]

    def drop(self, session: Session) -> None:
        """End a board's session; it may register with its tracker again."""

    def take(self, most: int) -> list[Session]:
        """Boards that are free now, at most so many, which are the cluster's from now on."""


class Recovery:
    """Keeps one deployment answering while one of its boards lives.

    Parameters
    ----------
    pool : Pool
        The boards.
    deployment : Deployment
        What runs on them; it is deployed anew when they change.
    artifact : Artifact
        For all boards.
    """

    def __init__(self, pool: Pool, deployment: Deployment, artifact: Artifact):
        self._pool, self._deployment, self._artifact = pool, deployment, artifact
        self._lock, self._closed = threading.RLock(), threading.Event()
        self._placed = deployment.sessions  # in the order of what is deployed
        self._ranks = {session: rank for rank, session in enumerate(self._placed)}
        self._scratch: tempfile.TemporaryDirectory | None = None
        self._ahead: dict[str, Artifact] | None = None
        self._made: dict[tuple[int, ...], Fallback] = {}
        self._watcher: threading.Thread | None = None

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """One inference, however often it takes.

        Raises
        ------
        BoardError
            If no board is left, or boards fail for a reason of their own.
        FlexPieError
            If there is nothing to run on the boards that are left.
        """
        with self._lock:
            self._prepare()
            return self._repeat(lambda: self._deployment.run(inputs))

    def stream(self, frames: Iterable, in_flight: int, on_error: str) -> Iterator:
        """As `Deployment.stream`; frames that were under way when a board was lost run again.

        Raises
        ------
        BoardError, FlexPieError
            As `run`.
        """
        source, spared = Replay(frames), False
        with self._lock:
            while True:
                self._prepare()
                answers = self._deployment.stream(source.again(), in_flight, on_error)
                try:
                    with closing(answers):
                        for answer in answers:
                            spared = False
                            source.answered()
                            yield answer
                            if self._came_back():
                                break
                        else:
                            return
                except RECOVERABLE as error:
                    LOGGER.warning("%s", error)
                    spared = self._drop_lost(error, spared)
                    self._repeat(self._deploy)

    def _prepare(self) -> None:
        if self._closed.is_set():
            raise ClosedError("the deployment is closed: deploy the artifact again")
        if self._ahead is None:  # files are read and checked now, not when it matters
            self._ahead = {
                folder.name: load_artifact(folder) for folder in self._artifact.fallbacks
            }
        if self._came_back():
            self._repeat(self._deploy)

    def close(self) -> None:
        """End what runs beside; a run of another thread is waited for."""
        with self._lock:
            self._closed.set()
            if self._scratch is not None:
                self._scratch.cleanup()
            # TVM has room for few sessions, and the deployment and this refer to each other
            self._placed, self._ranks = [], {}
        if self._watcher is not None:
            self._watcher.join(2 * LOOK_SECONDS)

    def _repeat(self, work: Callable[[], list | None]) -> list | None:
        """Do something until it succeeds; boards that fail are given up, which comes to an end."""
        deploy_first, spared = False, False
        while True:
            try:
                if deploy_first:
                    self._deploy()
                return work()
            except RECOVERABLE as error:
                LOGGER.warning("%s", error)
                spared = self._drop_lost(error, spared)
                deploy_first = True

    def _drop_lost(self, error: BoardError, spared: bool) -> bool:
        """Give up boards that do not answer; whether all did, and for the first time."""
        sessions = self._placed
        self._deployment.release()  # wakes whoever waits for a frozen board
        lost = lost_boards(sessions, ALIVE_SECONDS)
        if not lost and not spared:
            LOGGER.warning("all boards answer: once more on the same boards")
            return True
        if not lost:  # a link, or a board that is too slow: one of the two must go
            lost = {error.board if error.peer is None else error.peer}
        for session in [sessions[rank] for rank in sorted(lost)]:
            LOGGER.warning("board %d (%s:%d) is given up", self._ranks.pop(session),
                           session.address, session.port)  # fmt: skip
            self._pool.drop(session)
        if not self._ranks:
            raise BoardLost(f"no board is left: {error}", error.board) from error
        self._look_for_boards()
        return False

    def _deploy(self) -> None:
        """Deploy on the boards that there are: the whole artifact, or one for fewer."""
        self._fill_gaps()
        kept = sorted(self._ranks.values())
        found = self._artifact_for(kept)
        by_rank = {rank: session for session, rank in self._ranks.items()}
        self._placed = [by_rank[rank] for rank in found.ranks]
        self._deployment.replace(found.artifact, self._placed)
        LOGGER.warning("deployed on %d of %d boards", len(kept), self._artifact.boards)

    def _artifact_for(self, kept: Sequence[int]) -> Fallback:
        key = tuple(kept)
        if len(kept) == self._artifact.boards:
            return Fallback(self._artifact, key)
        if key not in self._made:
            ahead = built_ahead(self._artifact, self._ahead or {}, kept)
            if ahead is None:
                LOGGER.warning("planning and compiling for the %d boards that are left", len(kept))
                if self._scratch is None:
                    self._scratch = tempfile.TemporaryDirectory(prefix="flexpie-fallback-")
                ahead = build_now(self._artifact, kept, Path(self._scratch.name))
            self._made[key] = ahead
        return self._made[key]

    def _fill_gaps(self) -> None:
        """Boards of the pool without a rank take those that are free, if they can."""
        spare = [session for session in self._pool.sessions if session not in self._ranks]
        missing = set(range(self._artifact.boards)) - set(self._ranks.values())
        wanted = [target_arch(target) for target in self._artifact.targets]
        if not spare or not missing:
            return
        try:
            archs = board_archs(spare, sorted(set(wanted)))
        except ClusterError as error:  # gone again
            LOGGER.warning("%s", error)
            return
        for session, arch in zip(spare, archs, strict=True):
            rank = next((rank for rank in sorted(missing) if wanted[rank] == arch), None)
            if rank is not None:
                missing.remove(rank)
                self._ranks[session] = rank

    def _came_back(self) -> bool:
        """Whether there are boards for ranks that have none."""
        missing = self._artifact.boards - len(self._ranks)
        here = len(self._pool.sessions) - len(self._ranks)
        return missing > 0 and here > 0

    def _look_for_boards(self) -> None:
        if self._watcher is None or not self._watcher.is_alive():
            self._watcher = threading.Thread(
                target=self._look, name="flexpie-recovery", daemon=True
            )
            self._watcher.start()

    def _look(self) -> None:
        """Take boards that registered again, until there are enough."""
        while not self._closed.wait(LOOK_SECONDS):
            missing = self._artifact.boards - len(self._pool.sessions)
            if missing <= 0:
                return
            with suppress(FlexPieError):  # the tracker is gone too, or somebody else took them
                for session in self._pool.take(missing):
                    LOGGER.warning("board %s:%d came back", session.address, session.port)


def lost_boards(sessions: Sequence[Session], patience: float) -> set[int]:
    """Which boards do not answer a call, by their places in a sequence."""
    workers = Workers(len(sessions), [session.in_use for session in sessions])
    _, failures, silent = workers.each(
        lambda k: sessions[k].remote.get_function("flexpie.version")(), patience, patience
    )
    workers.close()
    return {*failures, *silent}
