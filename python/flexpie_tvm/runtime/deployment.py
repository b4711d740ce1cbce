# SPDX-License-Identifier: Apache-2.0
"""A model on its boards: scatter the input, run the boards, gather the output."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import numpy as np

from ..errors import ArtifactError, BoardError, ClosedError, InputError
from ..plan import Timeline
from .artifact import Artifact
from .board_errors import root_cause
from .board_runner import BoardRunner
from .port import check_inputs
from .recovery import Recovery
from .session import Session
from .timeline import measured_timeline
from .workers import Workers

#: Of a link to a board at its slowest: what a board's part is given to get there.
UPLOAD_BYTES = 1e6
# What a board's own deadline is given to be said before the host speaks.
HOST_SECONDS = 1.0
# What a thread needs to notice that its connection is gone.
WAKING_SECONDS = 2.0
ON_BOARD_LOST = ("raise", "replan")


class Deployment:
    """A deployed artifact.

    It may be called from several threads; they are served one after the other, also if several
    deployments are on the same boards. After an error of a board it is over.

    Parameters
    ----------
    artifact : Artifact
        What to run.
    sessions : list of Session
        One board each, in rank order.
    deadline : float
        Seconds a board waits for another, and the host for a board beyond that.

    Raises
    ------
    ArtifactError
        If the artifact is for another number of boards.
    BoardError
        If a board cannot be set up or reached by its peers.
    """

    def __init__(self, artifact: Artifact, sessions: list[Session], deadline: float = 30.0):
        if artifact.boards != len(sessions):
            raise ArtifactError(
                f"artifact '{artifact.path}' is for {artifact.boards} boards, not {len(sessions)}"
            )
        self._deadline, self._frame = deadline, 0
        self.recovery: Recovery | None = None
        self._begin(artifact, sessions)

    def _begin(self, artifact: Artifact, sessions: list[Session]) -> None:
        self.artifact = artifact
        self._workers = Workers(len(sessions), [session.in_use for session in sessions])
        self._broken: BoardError | None = None
        self._silent: set[int] = set()
        # in one order everywhere, so that nobody waits in a circle
        self._locks = [s.lock for s in sorted(sessions, key=lambda s: id(s.lock))]
        self._runners = [BoardRunner(rank, session) for rank, session in enumerate(sessions)]
        try:
            with self._turn():
                self._set_up(self._deadline)
        except BaseException:
            self.release()
            raise

    def replace(self, artifact: Artifact, sessions: list[Session]) -> None:
        """Go on with an artifact of the same model on other boards.

        Raises
        ------
        BoardError
            As for a new deployment.
        """
        self.release()
        self._begin(artifact, sessions)

    def _set_up(self, deadline: float) -> None:
        artifact, largest = self.artifact, 0
        for rank in range(artifact.boards):
            largest = max(largest, artifact.library(rank).stat().st_size)
        patience = deadline + largest / UPLOAD_BYTES
        self._each(lambda runner: runner.open(artifact, deadline), patience)
        peers, token = json.dumps([r.address for r in self._runners]), secrets.token_hex(16)
        self._each(lambda runner: runner.connect(peers, token), 2 * deadline)

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def sessions(self) -> list[Session]:
        """The boards' RPC sessions, in rank order."""
        return [runner.session for runner in self._runners]

    def run(
        self, inputs: Mapping[str, np.ndarray], on_board_lost: str = "raise"
    ) -> list[np.ndarray]:
        """Run one inference.

        Parameters
        ----------
        inputs : mapping
            Input name -> array of the model's shape and dtype.
        on_board_lost : {"raise", "replan"}
            ``replan`` repeats the request on the boards that are left, with what the artifact
            has for them (``build(..., fallbacks=1)``) or with what is built then from the model
            that it keeps. Boards that come back are taken in again between requests. Reasons
            and progress go to the logger ``flexpie_tvm.runtime.recovery``.

        Returns
        -------
        outputs : list of numpy.ndarray
            The model's outputs, in its order.

        Raises
        ------
        InputError
            If a name, shape or dtype is not the model's, or there is no such way to go on.
        BoardError
            If a board fails, stops answering or disappears; the message names it. With
            ``replan`` if no board is left.
        ClosedError
            If it was closed.
        """
        if on_board_lost not in ON_BOARD_LOST:
            raise InputError(
                f"on_board_lost is '{on_board_lost}', not {' or '.join(ON_BOARD_LOST)}"
            )
        if on_board_lost == "replan":
            if self.recovery is None:
                raise InputError("'replan' needs a cluster: deploy with Cluster.deploy")
            return self.recovery.run(inputs)
        checked = check_inputs(self.artifact.inputs, inputs)
        outputs = {p.name: np.empty(p.shape, p.dtype) for p in self.artifact.outputs}
        frame = self._next_frame()
        self.each(lambda runner: runner.run(frame, checked, outputs))
        return [outputs[p.name] for p in self.artifact.outputs]

    def run_in_place(self) -> None:
        """Run once more on the inputs that the boards hold; answers stay where they are owned.

        Raises
        ------
        BoardError
            As for `run`.
        """
        frame = self._next_frame()
        self.each(lambda runner: runner.compute(frame))

    def latency(
        self,
        inputs: Mapping[str, np.ndarray],
        repeat: int,
        warm_up: int = 2,
        on_board_lost: str = "raise",
    ):
        """Milliseconds of ``repeat`` inferences as the caller sees them: scatter, run, gather."""
        for _ in range(warm_up):
            self.run(inputs, on_board_lost)
        return [timed(lambda: self.run(inputs, on_board_lost)) for _ in range(repeat)]

    def each(self, work: Callable[[BoardRunner], object]) -> list:
        """Do the same on all boards at once, such as a part of an inference.

        Raises
        ------
        BoardError
            If a board fails, stops answering or disappears; the message names it.
        """
        # A board waits its deadline for a peer that itself may have waited for another.
        with self._turn():
            return self._each(work, self._deadline + HOST_SECONDS, per_board=True)

    def stats(self) -> list[dict]:
        """Every board's counters."""
        with self._turn():
            return self._each(lambda runner: runner.stats(), self._deadline)

    def timeline(self) -> Timeline:
        """When every board did what in the last run, on the host's clock.

        Returns
        -------
        timeline : Timeline
            As `flexpie_tvm.plan.simulate` predicts it: milliseconds from the start of the run.

        Raises
        ------
        InputError
            If nothing has been run yet.
        """
        moments = [runner.moments for runner in self._runners]
        if None in moments:
            raise InputError("there is no timeline before the first run")
        with self._turn():
            offsets = self._each(lambda runner: runner.clock_offset(), self._deadline)
        return measured_timeline(self.artifact, self.stats(), moments, offsets)

    def reset_stats(self) -> None:
        """Start every board's counters anew."""
        with self._turn():
            self._each(lambda runner: runner.reset_stats(), self._deadline)

    def close(self) -> None:
        """Free everything on the boards; a run of another thread is waited for."""
        if self.recovery is not None:
            self.recovery.close()
        self.release()

    def release(self) -> None:
        """As `close`, but `replace` may follow."""
        with self._locked():
            runners, self._runners = self._runners, []
            if not runners:
                return
            for rank in self._silent:  # its thread still waits for an answer
                runners[rank].session.break_off()
            _, _, silent = self._workers.each(lambda k: runners[k].close(), self._deadline)
            for rank in silent:
                runners[rank].session.break_off()
            if silent:
                self._workers.each(lambda _: None, WAKING_SECONDS)
            self._workers.close()

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
                raise ClosedError("the deployment is closed: deploy the artifact again")
            if self._broken is not None:
                raise over(self._broken)
            yield

    def _next_frame(self) -> int:
        self._frame += 1
        return self._frame & 0x7FFFFFFF

    def _each(
        self, work: Callable[[BoardRunner], object], patience: float, per_board: bool = False
    ) -> list:
        """Do the same on all boards at once; raise the failure that explains the others."""
        runners, start = self._runners, time.monotonic()
        results, failures, silent = self._workers.each(
            lambda k: work(runners[k]), patience, per_board=per_board
        )
        if failures or silent:
            cause = root_cause(failures, silent, time.monotonic() - start)
            self._silent = set(silent)
            if isinstance(cause, BoardError):
                self._broken = cause
            raise cause from None
        return results


def over(cause: BoardError) -> BoardError:
    """What is said of a deployment that has failed before: the same again."""
    text = f"{cause} (earlier; this deployment is over: deploy the artifact again)"
    return type(cause)(text, cause.board, cause.peer, cause.exchange)


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3
