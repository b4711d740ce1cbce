# SPDX-License-Identifier: Apache-2.0
"""A model on its boards: scatter the input, run the boards, gather the output."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping

import numpy as np
import tvm
from tvm.contrib import graph_executor

from ..errors import ArtifactError, InputError
from ..relay import input_name
from .artifact import Artifact, Port
from .board_errors import BOARD_FAILURES, root_cause
from .native import native_library, target_arch
from .tracker import Session
from .workers import Workers

SETUP_SECONDS = 600.0


class BoardRunner:
    """One board's part: its compiled module, its native runtime, its remote arrays."""

    def __init__(self, rank: int, session: Session):
        self.rank, self._session = rank, session
        self._board = self._run = self._library = self._graph = None
        self._inputs = self._outputs = ()

    def open(self, artifact: Artifact, deadline: float) -> None:
        """Upload the board's part and make it ready; after a failure it can be closed."""
        rank, session, remote = self.rank, self._session, self._session.remote
        session.load_once(native_library(target_arch(artifact.target)))
        table = json.dumps(artifact.tables[rank])
        create = remote.get_function("flexpie.board_create")
        self._board = create(rank, artifact.boards, table, int(deadline * 1000))
        self.port = int(self._board["listen"](session.address, 0))
        self._library = session.load(artifact.library(rank))
        self._graph = graph_executor.GraphModule(self._library["default"](remote.cpu(0)))
        self._run = self._board["run"]
        needed = [p for p in artifact.inputs if not p.regions[rank].is_empty]
        arrays = [self._graph.get_input(input_name(k)) for k in range(len(needed))]
        self._inputs = [
            (port, port.regions[rank], array)
            for port, array in zip(needed, arrays, strict=True)
            if array is not None  # TVM found that no answer depends on it
        ]
        owned = [p for p in artifact.outputs if not p.regions[rank].is_empty]
        self._outputs = [
            (p, p.regions[rank], self._graph.get_output(k)) for k, p in enumerate(owned)
        ]

    @property
    def address(self) -> dict:
        """Where the other boards reach this one."""
        return {"rank": self.rank, "host": self._session.address, "port": self.port}

    def connect(self, peers: str, token: str) -> None:
        """Link with the boards that this one exchanges with."""
        self._board["connect"](peers, token)

    def run(self, frame: int, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]):
        """One inference: this board's share of scatter, run and gather."""
        for port, region, array in self._inputs:
            # not ascontiguousarray, which makes a scalar a vector
            array.copyfrom(np.asarray(inputs[port.name][region.slices()], order="C"))
        self._run(self._graph.module, frame)
        for port, region, array in self._outputs:
            outputs[port.name][region.slices()] = array.numpy()

    def stats(self) -> dict:
        """The native runtime's counters."""
        return json.loads(self._board["stats"]())

    def reset_stats(self) -> None:
        """Start the counters anew."""
        self._board["reset_stats"]()

    def close(self) -> None:
        """Leave the links and free everything on the board."""
        try:
            if self._board is not None:
                self._board["close"]()
            alive = True
        except BOARD_FAILURES:
            alive = False
        for *_, array in (*self._inputs, *self._outputs):
            _release(array, alive)
        self._inputs = self._outputs = ()
        self._run = self._graph = self._library = self._board = None


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
        self._frame += 1
        frame = self._frame & 0x7FFFFFFF
        # A board waits its deadline for a peer that itself may have waited for another.
        patience = self._deadline * (len(self._runners) + 1)
        self._each(lambda runner: runner.run(frame, checked, outputs), patience)
        return [outputs[p.name] for p in self.artifact.outputs]

    def latency(self, inputs: Mapping[str, np.ndarray], repeat: int, warm_up: int = 2):
        """Milliseconds of ``repeat`` inferences as the caller sees them: scatter, run, gather."""
        for _ in range(warm_up):
            self.run(inputs)
        return [timed(lambda: self.run(inputs)) for _ in range(repeat)]

    def stats(self) -> list[dict]:
        """Every board's counters."""
        return self._each(lambda runner: runner.stats(), self._deadline)

    def reset_stats(self) -> None:
        """Start every board's counters anew."""
        self._each(lambda runner: runner.reset_stats(), self._deadline)

    def close(self) -> None:
        """Give the boards back; nothing is left running on them."""
        runners, self._runners = self._runners, []
        if runners:
            self._workers.each(lambda rank: runners[rank].close(), self._deadline)
        self._workers.close()

    def _each(self, work: Callable[[BoardRunner], object], patience: float) -> list:
        """Do the same on all boards at once; raise the failure that explains the others."""
        runners = self._runners
        results, failures, silent = self._workers.each(lambda k: work(runners[k]), patience)
        if failures or silent:
            raise root_cause(failures, silent, patience) from None
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


def _release(array: tvm.nd.NDArray, alive: bool) -> None:
    """Free a remote array now, while its board can be asked to.

    The traceback of an error may keep the array until the board is long gone, and freeing it
    then fails in the middle of garbage collection. On a lost board there is nothing to free.
    """
    if alive:
        array.__del__()
    array.is_view = True
