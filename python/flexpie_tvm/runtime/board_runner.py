# SPDX-License-Identifier: Apache-2.0
"""One board's part of a deployment."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from tvm.contrib import graph_executor

from ..codegen import input_name
from .artifact import Artifact
from .board_errors import BOARD_FAILURES
from .host_link import HostLink
from .native import native_library, target_arch
from .session import Session
from .timeline import Moments, clock_offset
from .upload import load_module, put_ahead
from .workers import forget_locals


class BoardRunner:
    """One board's part: its compiled module, its native runtime, its remote arrays."""

    def __init__(self, rank: int, session: Session):
        self.rank, self.session = rank, session
        self.port: int | None = None  # where other boards find it
        self._board = self._run = self._library = self._graph = self._link = None
        self._file: str | None = None  # of the library
        self._inputs = self._outputs = ()
        self.takes_part = True  # or the plan has nothing for it
        self.moments: Moments | None = None  # of the last run that it took part in
        self.progress = time.monotonic()  # when setting it up last went on

    def went_on(self) -> None:
        """Note that something of setting up is done."""
        self.progress = time.monotonic()

    def open(self, artifact: Artifact, deadline: float) -> None:
        """Upload the board's part and make it ready; after a failure it can be closed."""
        rank, session, remote = self.rank, self.session, self.session.remote
        self.went_on()  # whatever it was busy with before
        session.load_once(native_library(target_arch(artifact.targets[rank])))
        table = json.dumps(artifact.tables[rank])
        create = remote.get_function("flexpie.board_create")
        self._board = create(rank, artifact.boards, table, int(deadline * 1000))
        self.port = int(self._board["listen"](session.address, 0))
        self.went_on()
        path = artifact.library(rank)
        self._library, self._file = load_module(rank, session, path, deadline, self.went_on)
        self.went_on()
        self._graph = graph_executor.GraphModule(self._library["default"](remote.cpu(0)))
        self.went_on()
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
        self.takes_part = bool(needed or owned or artifact.tables[rank]["exchanges"])
        received, sent = ([array for *_, array in parts] for parts in (self._inputs, self._outputs))
        self._link = HostLink(rank, session, received, sent, deadline)

    def put(self, paths: Iterable[Path], deadline: float) -> None:
        """Have files on the board that it may need, as far as they fit."""
        for path in paths:
            self.went_on()
            put_ahead(self.rank, self.session, path, deadline, self.went_on)

    @property
    def address(self) -> dict:
        """Where the other boards reach this one."""
        return {"rank": self.rank, "host": self.session.address, "port": self.port}

    def connect(self, peers: str, token: str) -> None:
        """Link with the boards that this one exchanges with."""
        self._board["connect"](peers, token)

    def run(self, frame: int, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]):
        """One inference: this board's share of scatter, run and gather."""
        start = time.perf_counter_ns()
        answers = self._link.infer(
            self._parts(inputs), self._board, "run", self._graph.module, frame
        )
        self._place(answers, outputs)
        self.moments = Moments(start, time.perf_counter_ns())

    def serve(self, first: int) -> int:
        """Run frames as they come, numbered from ``first``; returns their number at their end."""
        return self._link.serve(self._board, self._graph.module, first)

    def send_frame(self, inputs: Mapping[str, np.ndarray]) -> None:
        """The board's share of scattering a frame."""
        self._link.send_frame(self._parts(inputs))

    def receive_frame(self, outputs: Mapping[str, np.ndarray]) -> None:
        """The board's share of gathering a frame's answer."""
        self._place(self._link.receive(), outputs)

    def end_frames(self) -> None:
        """There are no more frames."""
        self._link.end_frames()

    def _place(self, answers: list[np.ndarray], outputs: Mapping[str, np.ndarray]) -> None:
        for (port, region, _), answer in zip(self._outputs, answers, strict=True):
            outputs[port.name][region.slices()] = answer

    def scatter(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Send this board what it needs of the inputs."""
        self._link.scatter(self._parts(inputs))

    def compute(self, frame: int) -> None:
        """Run the board's module, exchanges included."""
        self._run(self._graph.module, frame)

    def _parts(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [inputs[port.name][region.slices()] for port, region, _ in self._inputs]

    def stats(self) -> dict:
        """The native runtime's counters."""
        return json.loads(self._board["stats"]())

    def clock_offset(self) -> int:
        """Nanoseconds that the board's clock is ahead of the host's."""
        return clock_offset(self._board["now"])[0]

    def reset_stats(self) -> None:
        """Start the counters anew."""
        self._board["reset_stats"]()

    def close(self) -> None:
        """Leave the links and free everything on the board."""
        try:
            if self._link is not None:
                self._link.close()
            if self._board is not None:
                self._board["close"]()
            alive = True
        except BOARD_FAILURES as error:  # of which TVM keeps the last one
            alive = False
            forget_locals(error)
        self._forget(alive)

    def _forget(self, alive: bool) -> None:
        for *_, array in (*self._inputs, *self._outputs):
            self.session.release(array, alive)
        self._inputs = self._outputs = ()
        self._run = self._graph = self._library = self._board = self._link = None
        if self._file is not None:
            self.session.files.let_go(self._file)
            self._file = None
