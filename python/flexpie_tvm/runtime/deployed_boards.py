# SPDX-License-Identifier: Apache-2.0
"""The boards of a deployment, which do the same things at once, for one caller at a time."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import BoardError, BoardTimeout, ClosedError, InputError, LinkLost
from .artifact import Artifact
from .blame import blamed, over
from .board_runner import BoardRunner
from .session import Session
from .sight import Sight
from .stream import Failed, Stream
from .stream_options import StreamOptions
from .workers import Workers

#: Of a link to a board at its slowest: what a board's part is given to get there.
UPLOAD_BYTES = 1e6
#: What a board's own deadline is given to be said before the host speaks.
HOST_SECONDS = 1.0
# What a thread needs to notice that its connection is gone.
WAKING_SECONDS = 2.0
CLOSED = "the deployment is closed: deploy the artifact again"


class DeployedBoards:
    """An artifact on boards, each of which has its part.

    Parameters
    ----------
    artifact : Artifact
        What they will have, when `replace` says on which boards.
    deadline : float
        Seconds a board waits for another, and the host for a board beyond that.
    """

    def __init__(self, artifact: Artifact, deadline: float):
        self.artifact = artifact
        self._deadline, self._frame = deadline, 0
        self._runners: list[BoardRunner] = []
        self._sight = Sight(())
        self._locks: list = []
        self._in_haste = False

    @property
    def sessions(self) -> list[Session]:
        """The boards' RPC sessions, in rank order."""
        return [runner.session for runner in self._runners]

    def patience(self, nbytes: int) -> float:
        """Seconds that a board is given to get so many bytes."""
        return self._deadline + nbytes / UPLOAD_BYTES

    def _begin(self, artifact: Artifact, sessions: list[Session]) -> None:
        self.artifact = artifact
        self._workers = Workers(len(sessions), [session.in_use for session in sessions])
        self._broken: BoardError | None = None
        self._silent: set[int] = set()
        self._streaming: Stream | None = None
        # in one order everywhere, so that nobody waits in a circle
        self._locks = [s.lock for s in sorted(sessions, key=lambda s: id(s.lock))]
        self._runners = [BoardRunner(rank, session) for rank, session in enumerate(sessions)]
        try:
            with self._turn():
                self._set_up(self._deadline)
        except BaseException:
            self.release()
            raise

    def _set_up(self, deadline: float) -> None:
        self._open(lambda runner: runner.open(self.artifact, deadline), deadline)

    def _have_tracks(self, tracks: int) -> None:
        """Make boards ready for so many frames at a time."""
        deadline = self._deadline
        if self._runners[0].tracks < tracks:
            self._open(lambda runner: runner.open_second(self.artifact, deadline), deadline)

    def _open(self, work: Callable[[BoardRunner], None], deadline: float) -> None:
        """Have each board open something, and connect what was opened."""
        self._load(work, deadline)
        peers, token = json.dumps([r.address for r in self._runners]), secrets.token_hex(16)
        self._each(lambda runner: runner.connect(peers, token), 2 * deadline)

    def _load(self, work: Callable[[BoardRunner], None], deadline: float) -> None:
        """Have each board do what may take long, as long as it goes on."""
        runners = self._runners
        for runner in runners:
            runner.went_on()
        self._each(work, deadline + HOST_SECONDS, progress=lambda rank: runners[rank].progress)

    def replace(self, artifact: Artifact, sessions: list[Session]) -> None:
        """Go on, or begin, with an artifact of the same model on some boards.

        Parameters
        ----------
        artifact : Artifact
            What to run.
        sessions : list of Session
            One board each, in rank order.

        Raises
        ------
        BoardError
            As for a new deployment.
        """
        self.release()
        self._begin(artifact, sessions)

    def put(self, files: Sequence[Sequence[Path]]) -> None:
        """Have files on the boards that they may need, in rank order.

        Raises
        ------
        BoardError
            If a board fails or is lost meanwhile.
        """
        deadline = self._deadline
        with self._turn():
            self._load(lambda runner: runner.put(files[runner.rank], deadline), deadline)

    def each(self, work: Callable[[BoardRunner], object]) -> list:
        """Do a part of an inference on all boards at once that the plan gives any of it.

        To wake the threads of the others would take the host some 60 us each.

        Raises
        ------
        BoardError
            If a board fails, stops answering or disappears; the message names it.
        """
        # A board waits its deadline for a peer that itself may have waited for another.
        with self._turn():
            ranks = {runner.rank for runner in self._runners if runner.takes_part}
            patience = self._deadline + HOST_SECONDS
            return self._each(work, patience, per_board=True, ranks=ranks)

    @property
    def time_left(self) -> float:
        """Seconds for all that follows once the host's own link is down: two deadlines in all."""
        return self._sight.time_left(2 * self._deadline + HOST_SECONDS / 2)

    def release(self) -> None:
        """As `close`, but `replace` may follow."""
        patience = self.time_left / 3 if self._sight.own_link_down else self._deadline
        with self._locked():
            if not self._runners:
                return
            if self._streaming is not None:
                self.end_stream(self._streaming)
            runners, self._runners = self._runners, []
            self._sight.forget()  # sessions end with who holds them
            for rank in self._silent:  # its thread still waits for an answer
                runners[rank].session.break_off()
            _, _, silent = self._workers.each(lambda k: runners[k].close(), patience)
            for rank in silent:
                runners[rank].session.break_off()
            if silent:
                self._workers.each(lambda _: None, WAKING_SECONDS)
            self._workers.close()

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """Meanwhile a board that others have waited for in vain is lost at once.

        It may be no more than slow, which takes two seconds to tell.
        """
        self._in_haste = True
        try:
            yield
        finally:
            self._in_haste = False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        while True:
            with ExitStack() as stack:
                locks = self._locks
                for lock in locks:
                    stack.enter_context(lock)
                if locks is not self._locks:  # on other boards meanwhile
                    continue
                yield
                return

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """All boards are this thread's while it lasts, if there is still something to do there."""
        with self._locked():
            if not self._runners:
                raise ClosedError(CLOSED)
            if self._broken is not None:
                raise over(self._broken)
            if self._streaming is not None:  # the lock lets its own thread in
                raise InputError("a stream is under way: end or close it first")
            yield

    def _next_frame(self) -> int:
        self._frame += 1
        return self._frame & 0x7FFFFFFF

    def _each(
        self,
        work: Callable[[BoardRunner], object],
        patience: float,
        per_board: bool = False,
        progress: Callable[[int], float] | None = None,
        ranks: Collection[int] | None = None,
    ) -> list:
        """Do the same on boards at once, or raise the failure that explains the others."""
        runners, start = self._runners, time.monotonic()
        self._sight = Sight(runners, self._in_haste)
        results, failures, silent = self._workers.each(
            lambda k: work(runners[k]),
            patience,
            per_board=per_board,
            hopeless=self._sight.hopeless,
            progress=progress,
            explained=self._sight.explained,
            ranks=ranks,
        )
        if failures or silent:
            waited = time.monotonic() - start if progress is None else patience
            raise self._blamed(failures, silent, waited) from None
        return results

    def _blamed(self, failures, silent, seconds: float) -> BaseException:
        """The failure that explains the others; after a board's, the deployment is over."""
        cause = blamed(self._runners, failures, silent, seconds, self._sight.own_link_down)
        self._sight.own_link_down |= isinstance(cause, LinkLost) and cause.peer is None
        self._silent = set(silent)
        if isinstance(cause, BoardError):
            self._broken = cause
        return cause

    @contextmanager
    def streaming(self, how: StreamOptions) -> Iterator[Stream]:
        """A stream through the boards, which are this thread's while it lasts.

        Raises
        ------
        BoardError
            If a board failed meanwhile.
        """
        with self._turn():
            self._have_tracks(how.tracks)
            self._sight = Sight(self._runners, self._in_haste)
            stream = Stream(self._runners, self._workers, self.artifact, how.in_flight,
                            self._frame + 1, self._deadline + HOST_SECONDS, how.tracks,
                            self._sight.hopeless, self._sight.explained)  # fmt: skip
            self._streaming = stream
            try:
                yield stream
            except Failed as failed:
                self._streaming = None
                raise self._blamed_of_stream(stream, failed) from None
            finally:
                if self._streaming is not None:
                    self.end_stream(stream)

    def answers(self, frames: Iterable, how: StreamOptions) -> Iterator:
        """As `Deployment.stream`, on these boards as they are."""
        names = [port.name for port in self.artifact.outputs]
        with self.streaming(how) as stream:
            for frame in stream.answers(frames):
                if frame.error is None:
                    yield [frame.outputs[name] for name in names]
                elif how.on_error == "yield" and isinstance(frame.error, InputError):
                    yield frame.error
                else:
                    raise frame.error
                if not self._runners:
                    raise ClosedError(CLOSED)

    def end_stream(self, stream: Stream) -> None:
        """Let a stream come to its end; ``BoardError`` if a board failed."""
        self._streaming = None
        self._frame += stream.taken
        try:
            stream.stop()
        except Failed as failed:
            raise self._blamed(failed.failures, failed.silent, self._deadline) from None

    def _blamed_of_stream(self, stream: Stream, seen: Failed) -> BaseException:
        try:
            stream.stop(HOST_SECONDS)
        except Failed as failed:
            return self._blamed(failed.failures, failed.silent, self._deadline)
        rank = min(seen.silent, default=0)  # it came after all, but too late
        self._broken = BoardTimeout(f"board {rank} was too late with its answer", rank)
        return self._broken
