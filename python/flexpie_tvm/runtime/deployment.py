# SPDX-License-Identifier: Apache-2.0
"""A model on its boards: scatter the input, run the boards, gather the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from ..errors import ArtifactError, InputError
from ..explain import reported_timeline
from .adaptation import Adaptation
from .artifact import Artifact
from .drift import Watch
from .latency import latencies
from .measured_boards import MeasuredBoards
from .pool import Pool
from .port import check_inputs
from .recovery import Recovery
from .replanner import Replanner
from .session import Session
from .stream_options import StreamOptions

ON_BOARD_LOST = ("raise", "replan")
T = TypeVar("T")


class Deployment(MeasuredBoards):
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
    pool : Pool, optional
        Where boards come from after others were lost.
    on_board_lost : {"raise", "replan"}
        What becomes of it if a board is lost before it is ready: as for `run`. With ``replan``
        the boards are those of the pool.
    replanner : Replanner, optional
        Plans and builds for other boards.

    Raises
    ------
    ArtifactError
        If the artifact is for another number of boards.
    BoardError
        If a board cannot be set up or reached by its peers.
    """

    def __init__(
        self,
        artifact: Artifact,
        sessions: list[Session],
        deadline: float = 30.0,
        pool: Pool | None = None,
        on_board_lost: str = "raise",
        replanner: Replanner | None = None,
    ):
        super().__init__(artifact, deadline)
        self.recovery: Recovery | None = None
        self.adaptation: Adaptation | None = None
        if pool is not None:
            self.recovery = Recovery(pool, self, artifact, sessions, replanner)
        if self._replans(on_board_lost):
            try:
                self.recovery.begin()
            except BaseException:
                self.close()
                raise
            return
        if artifact.boards != len(sessions):
            raise ArtifactError(
                f"artifact '{artifact.path}' is for {artifact.boards} boards, not {len(sessions)}"
            )
        self.replace(artifact, sessions)

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        if self._replans(on_board_lost):
            return self.recovery.repeat(lambda: self.run(inputs))
        with self._as_is_best():
            checked = check_inputs(self.artifact.inputs, inputs)
            outputs = {p.name: np.empty(p.shape, p.dtype) for p in self.artifact.outputs}
            frame = self._next_frame()
            self.each(lambda runner: runner.run(frame, checked, outputs))
            return [outputs[p.name] for p in self.artifact.outputs]

    def stream(
        self,
        frames: Iterable[Mapping[str, np.ndarray]],
        in_flight: int = 4,
        on_error: str = "raise",
        on_board_lost: str = "raise",
        tracks: int = 1,
    ) -> Iterator[list[np.ndarray] | InputError]:
        """Run one inference after the other, several of them under way at once.

        The boards are this thread's until the last answer, or until the iterator is closed; calls
        of other threads wait.

        Parameters
        ----------
        frames : iterable of mapping
            Input name -> array, for each inference. It is asked on a thread of its own, for at
            most ``in_flight`` frames more than were answered.
        in_flight : int
            Frames under way: one that is computed, those whose inputs travel or wait, and those
            whose answers do.
        on_error : {"raise", "yield"}
            What becomes of a frame that is not the model's: ``yield`` gives the error in the place
            of its answer, and the stream goes on.
        on_board_lost : {"raise", "replan"}
            As for `run`; frames that were under way are run again.
        tracks : {1, 2}
            Frames that a board has begun to compute: with 2 it computes one while another waits
            for a neighbour, which is worth it where boards wait for a third of the time or more.

        Yields
        ------
        outputs : list of numpy.ndarray
            The model's outputs for each frame, in the order of the frames.

        Raises
        ------
        InputError, BoardError, ClosedError
            As `run`, in the place of the frame that is not answered.
        """
        how = StreamOptions(in_flight, on_error, tracks)
        if self._replans(on_board_lost):
            return self.recovery.stream(frames, how)
        if self.adaptation is not None:
            return self.recovery.stream(frames, how, replan=False)
        return self.answers(frames, how)

    def latency(
        self,
        inputs: Mapping[str, np.ndarray],
        repeat: int,
        warm_up: int = 2,
        on_board_lost: str = "raise",
    ) -> list[float]:
        """Milliseconds of ``repeat`` inferences as the caller sees them: scatter, run, gather.

        Parameters
        ----------
        inputs, on_board_lost
            As of `run`.
        repeat, warm_up : int
            Inferences that are timed, and before them those that are not.
        """
        return latencies(lambda: self.run(inputs, on_board_lost), repeat, warm_up)

    def attempt(self, work: Callable[[], T], on_board_lost: str = "raise") -> T:
        """Do something with the deployment, again if a board is lost meanwhile.

        Parameters
        ----------
        work : callable
            Such as a run and the `stats` after it.
        on_board_lost : {"raise", "replan"}
            As for `run`.

        Returns
        -------
        result : object
            What ``work`` returned in the end.

        Raises
        ------
        InputError, BoardError, ClosedError
            As `run`, and whatever ``work`` raises.
        """
        if self._replans(on_board_lost):
            return self.recovery.repeat(work)
        with self._as_is_best():
            return work()

    def watch(
        self,
        high: float = 1.5,
        low: float = 1.2,
        looks: int = 2,
        switch: bool = False,
        margin: float = 0.1,
    ) -> Watch:
        """Compare what boards measure with what the plan says, between requests.

        Parameters
        ----------
        high, low : float
            A drift begins where something takes ``high`` times as long as expected, and ends
            where it takes ``low`` times.
        looks : int
            Looks in a row that it takes for either.
        switch : bool
            Whether a look at which something drifts begins to make another plan, from the model
            that the artifact keeps, beside the requests. It is taken before the first request or
            frame after it is built.
        margin : float
            By which share of its predicted time the plan must be better to be built.

        Returns
        -------
        watch : Watch
            Its ``look()`` tells what drifts.

        Raises
        ------
        InputError
            If it is to switch, and boards are no cluster's or the artifact keeps no model.
        """
        if switch and self.recovery is None:
            raise InputError("'switch' needs a cluster: deploy with Cluster.deploy")
        if switch:
            self.recovery.replanner.check(self.artifact.boards)
            self._end_adaptation()
            self.adaptation = Adaptation(self.recovery, margin)
        predicted = reported_timeline(self.artifact.plan["notes"])
        return Watch(
            lambda: self.attempt(self.stats), predicted, high, low, looks,
            self.adaptation if switch else None,
        )  # fmt: skip

    def close(self) -> None:
        """Free everything on the boards; a run of another thread is waited for."""
        self._end_adaptation()
        if self.recovery is not None:
            self.recovery.close()
        self.release()

    def _end_adaptation(self) -> None:
        if self.adaptation is not None:
            self.adaptation.wait()

    @contextmanager
    def _as_is_best(self) -> Iterator[None]:
        """Nobody else's turn while it lasts, if plans may change, on the best there is."""
        if self.adaptation is None:
            yield
            return
        with self.recovery.fresh():
            yield

    def _replans(self, on_board_lost: str) -> bool:
        """Whether a request goes on without boards that are lost."""
        if on_board_lost not in ON_BOARD_LOST:
            known = " or ".join(ON_BOARD_LOST)
            raise InputError(f"on_board_lost is '{on_board_lost}', not {known}")
        if on_board_lost == "replan" and self.recovery is None:
            raise InputError("'replan' needs a cluster: deploy with Cluster.deploy")
        return on_board_lost == "replan"
