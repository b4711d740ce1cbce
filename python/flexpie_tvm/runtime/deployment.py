# SPDX-License-Identifier: Apache-2.0
"""A model on its boards: scatter the input, run the boards, gather the output."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping

import numpy as np

from ..errors import ArtifactError, InputError
from ..plan import Timeline
from .artifact import Artifact, Port
from .board_errors import root_cause
from .board_runner import BoardRunner
from .timeline import measured_timeline
from .tracker import Session
from .workers import Workers

SETUP_SECONDS = 600.0
# What a board's own deadline is given to be said before the host speaks.
HOST_SECONDS = 1.0


class Deployment:
    """A deployed artifact.

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
        self.artifact, self._deadline = artifact, deadline
        self._workers = Workers(len(sessions))
        self._frame = 0
        self._runners = [BoardRunner(rank, session) for rank, session in enumerate(sessions)]
        try:
            self._each(lambda runner: runner.open(artifact, deadline), SETUP_SECONDS)
            peers, token = json.dumps([r.address for r in self._runners]), secrets.token_hex(16)
            self._each(lambda runner: runner.connect(peers, token), 2 * deadline)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def sessions(self) -> list[Session]:
        """The boards' RPC sessions, in rank order."""
        return [runner.session for runner in self._runners]

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Run one inference.

        Parameters
        ----------
        inputs : mapping
            Input name -> array of the model's shape and dtype.

        Returns
        -------
        outputs : list of numpy.ndarray
            The model's outputs, in its order.

        Raises
        ------
        InputError
            If a name, shape or dtype is not the model's.
        BoardError
            If a board fails, stops answering or disappears; the message names it.
        """
        checked = {port.name: check_input(port, inputs) for port in self.artifact.inputs}
        unknown = set(inputs) - set(checked)
        if unknown:
            raise InputError(_unknown_input(sorted(unknown)[0], self.artifact.inputs))
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

    def latency(self, inputs: Mapping[str, np.ndarray], repeat: int, warm_up: int = 2):
        """Milliseconds of ``repeat`` inferences as the caller sees them: scatter, run, gather."""
        for _ in range(warm_up):
            self.run(inputs)
        return [timed(lambda: self.run(inputs)) for _ in range(repeat)]

    def each(self, work: Callable[[BoardRunner], object]) -> list:
        """Do the same on all boards at once, such as a part of an inference.

        Raises
        ------
        BoardError
            If a board fails, stops answering or disappears; the message names it.
        """
        # A board waits its deadline for a peer that itself may have waited for another.
        return self._each(work, self._deadline + HOST_SECONDS, per_board=True)

    def stats(self) -> list[dict]:
        """Every board's counters."""
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
        offsets = self._each(lambda runner: runner.clock_offset(), self._deadline)
        return measured_timeline(self.artifact, self.stats(), moments, offsets)

    def reset_stats(self) -> None:
        """Start every board's counters anew."""
        self._each(lambda runner: runner.reset_stats(), self._deadline)

    def close(self) -> None:
        """Give the boards back; nothing is left running on them."""
        runners, self._runners = self._runners, []
        if runners:
            self._workers.each(lambda rank: runners[rank].close(), self._deadline)
        self._workers.close()

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
            raise root_cause(failures, silent, time.monotonic() - start) from None
        return results


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def check_input(port: Port, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The array for an input; ``InputError`` if it is missing or of another shape or dtype."""
    if port.name not in inputs:
        raise InputError(f"input '{port.name}' is missing: it has shape {port.shape}")
    array = np.asarray(inputs[port.name])
    if array.shape != port.shape or array.dtype != port.dtype:
        raise InputError(
            f"input '{port.name}' is {array.dtype} {array.shape}, "
            f"the model takes {port.dtype} {port.shape}"
        )
    return array


def _unknown_input(name: str, ports: tuple[Port, ...]) -> str:
    return f"input '{name}' is unknown: the model's inputs are {', '.join(p.name for p in ports)}"
