# SPDX-License-Identifier: Apache-2.0
"""Answers also when boards are lost: the request is repeated on those that are left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

import tvm

from ..errors import BoardError, BoardLost, ClosedError, ClusterError, FlexPieError, LinkLost
from .artifact import Artifact
from .board_errors import RECOVERABLE
from .native import native_library, target_arch
from .pool import Pool
from .repertoire import Repertoire
from .replanner import Replanner
from .replay import Replay
from .returning import Returning
from .roll_call import architectures, lost_boards
from .session import Session
from .stream_options import StreamOptions

if TYPE_CHECKING:
    from .deployment import Deployment

T = TypeVar("T")
LOGGER = logging.getLogger(__name__)
#: What a board that is alive needs at most to say so. It may have a kernel to end first.
ALIVE_SECONDS = 2.0


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
    sessions : sequence of Session
        The board of each rank, if all are known to fit.
    replanner : Replanner, optional
        Plans and builds for other boards.

    Attributes
    ----------
    repertoire : Repertoire
        What there is to run.
    switches : int
        How often something that was offered was deployed.
    """

    def __init__(
        self,
        pool: Pool,
        deployment: Deployment,
        artifact: Artifact,
        sessions: Sequence[Session] = (),
        replanner: Replanner | None = None,
    ):
        self._pool, self._deployment, self._artifact = pool, deployment, artifact
        self._lock, self._closed = threading.RLock(), threading.Event()
        self._placed = list(sessions)  # in the order of what is deployed
        self._ranks = {session: rank for rank, session in enumerate(self._placed)}
        # ranks that had a board when it was deployed; none while it is not
        self._kept: list[int] | None = sorted(self._ranks.values())
        self._spared = False  # all boards answered after the last failure
        self._ready: list[Session] = []  # boards that have what they run after a loss
        self.replanner, self.switches = replanner or Replanner(artifact), 0
        self.repertoire = Repertoire(artifact, self.replanner)
        self._returning = Returning(pool, artifact.boards)

    def begin(self) -> None:
        """Deploy for the first time, on those of the pool's boards that answer.

        Raises
        ------
        BoardError, FlexPieError
            As `repeat`.
        """
        with self._lock:
            self.repertoire.load()
            self._fill_gaps()
            if not self._ranks:  # all at once
                raise LinkLost("no board answers: check the host's link, and 'flexpie boards'", 0)
            missing = self._artifact.boards - len(self._ranks)
            self._redeploy(logging.WARNING if missing else logging.INFO)
            self._put_ahead()

    def repeat(self, work: Callable[[], T]) -> T:
        """Something on the deployed boards, such as an inference, however often it takes.

        Raises
        ------
        BoardError
            If no board is left, or boards fail for a reason of their own.
        FlexPieError
            If there is nothing to run on the boards that are left.
        """
        with self._lock, self._deployment.hurried():
            self._prepare()
            while True:
                try:
                    result = work()
                except RECOVERABLE as error:
                    self._recover(error)
                else:
                    self._spared = False
                    return result

    def stream(self, frames: Iterable, how: StreamOptions, replan: bool = True) -> Iterator:
        """As `Deployment.stream`; frames that were under way when boards or plans change run again.

        Raises
        ------
        BoardError, FlexPieError
            As `repeat`; unless it is to ``replan``, for any board that is lost.
        """
        source = Replay(frames)
        with self._lock:
            while True:
                self._prepare() if replan else self.freshen()
                answers = self._deployment.answers(source.again(), how)
                hurried = self._deployment.hurried() if replan else nullcontext()
                try:
                    with hurried, closing(answers):
                        for answer in answers:
                            self._spared = False
                            source.answered()
                            yield answer
                            if self.repertoire.is_offered or (replan and self._changed()):
                                break
                        else:
                            return
                except RECOVERABLE as error:
                    if not replan:
                        raise
                    self._recover(error)

    def _prepare(self) -> None:
        if self._closed.is_set():
            raise ClosedError("the deployment is closed: deploy the artifact again")
        self.repertoire.load()
        try:
            self.freshen()
        except RECOVERABLE as error:
            self._recover(error)
        if self._changed():
            self._redeploy()
        self._put_ahead()

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Hold the deployment, on the best that there is; errors as of `freshen`."""
        with self._lock:
            self.freshen()
            yield

    def freshen(self) -> None:
        """Deploy what was offered; if that fails, what was there before.

        Raises
        ------
        BoardError
            If that fails, too.
        """
        if not self.repertoire.is_offered:
            return
        with self._lock:
            former = self.repertoire.present
            if self._closed.is_set() or not self.repertoire.take():
                return
            try:
                self._deploy()
            except (FlexPieError, tvm.error.TVMError, OSError) as error:
                LOGGER.warning("the new plan cannot be deployed, the old one goes on: %s", error)
                self.repertoire.go_back(former)
                self._deploy()
            else:
                self.switches += 1

    def close(self) -> None:
        """End what runs beside; a run of another thread is waited for."""
        with self._lock:
            self._closed.set()
            self.replanner.close()
            # TVM has room for few sessions, and the deployment and this refer to each other
            self._placed, self._ready, self._ranks = [], [], {}
        self._returning.close()

    def _redeploy(self, level: int = logging.WARNING) -> None:
        try:
            self._deploy(level)
        except RECOVERABLE as error:
            self._recover(error)

    def _recover(self, error: BoardError) -> None:
        """Deploy on the boards that are left. Those that fail are given up, so this ends."""
        while True:
            LOGGER.warning("%s", error)
            self._drop_lost(error)
            try:
                return self._deploy()
            except RECOVERABLE as another:
                error = another

    def _drop_lost(self, error: BoardError) -> None:
        """Give up boards that do not answer; if all do, and again, the one that is blamed."""
        sessions = self._placed
        own_link = isinstance(error, LinkLost) and error.peer is None
        self._deployment.release()  # wakes whoever waits for a frozen board
        left = self._deployment.time_left  # of what a caller without a link waits at most
        alive = min(ALIVE_SECONDS, left) if own_link else ALIVE_SECONDS
        lost = lost_boards(sessions, alive, again=not own_link)
        for rank in lost:
            sessions[rank].break_off()  # a call may be under way that never ends
        if not lost and not self._spared:
            LOGGER.warning("all boards answer: once more on the same boards")
            self._spared = True
            return
        self._spared, self._kept = False, None
        if not lost:  # a link, or a board that is too slow: one of the two must go
            lost = {error.board if error.peer is None else error.peer}
        for session in [sessions[rank] for rank in sorted(lost)]:
            LOGGER.warning("board %d (%s:%d) is given up", self._ranks.pop(session),
                           session.address, session.port)  # fmt: skip
            self._pool.drop(session)
        self.repertoire.forget()
        self._returning.look()
        if not self._ranks:  # all at once: the host's own link, which names no board
            kind = LinkLost if own_link else BoardLost
            raise kind(f"no board is left: {error}", error.board) from error

    def _deploy(self, level: int = logging.WARNING) -> None:
        """Deploy on the boards that there are: the whole artifact, or one for fewer."""
        self._fill_gaps()
        kept = sorted(self._ranks.values())
        if not kept:
            raise ClusterError("no board is left: check them with 'flexpie boards'")
        found = self.repertoire.best(kept)
        by_rank = {rank: session for session, rank in self._ranks.items()}
        self._placed = [by_rank[rank] for rank in found.ranks]
        self._kept = kept
        self._deployment.replace(found.artifact, self._placed)
        self.repertoire.present = found
        LOGGER.log(level, "deployed on %d of %d boards", len(kept), self._artifact.boards)

    def _put_ahead(self) -> None:
        """Have on each board what it runs when another is lost, so that it only has to load it."""
        placed = list(self._placed)
        if placed == self._ready or not placed:
            return
        files = self.repertoire.after_a_loss()
        try:
            self._deployment.put([files[self._ranks[session]] for session in placed])
        except RECOVERABLE as error:
            self._recover(error)
        else:
            self._ready = placed

    def _changed(self) -> bool:
        """Whether there are other boards than those that it is deployed for."""
        self._fill_gaps()
        return sorted(self._ranks.values()) != self._kept

    def _fill_gaps(self) -> None:
        """Boards of the pool without a rank take those that are free."""
        missing = set(range(self._artifact.boards)) - set(self._ranks.values())
        if not missing:
            return
        wanted = [target_arch(target) for target in self._artifact.targets]
        for session, arch in self._spare(sorted(set(wanted))):
            rank = next((rank for rank in sorted(missing) if wanted[rank] == arch), None)
            if rank is not None:
                missing.remove(rank)
                self._ranks[session] = rank

    def _spare(self, archs: Sequence[str]) -> list[tuple[Session, str | None]]:
        """Boards of the pool without a rank that answer, and the architecture of each."""
        spare = [session for session in self._pool.sessions if session not in self._ranks]
        if not spare:
            return []
        tried = sum(native_library(arch).stat().st_size for arch in archs)  # it loads what it can
        patience = self._deployment.patience(tried)
        found, gone = architectures(spare, archs, ALIVE_SECONDS, patience)
        for session in gone:  # they may come back
            LOGGER.warning("board %s:%d does not answer", session.address, session.port)
            session.break_off()  # a call may be under way that never ends
            self._pool.drop(session)
            self._returning.look()
        return found
