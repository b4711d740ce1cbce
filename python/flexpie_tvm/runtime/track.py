# SPDX-License-Identifier: Apache-2.0
"""What one frame at a time needs on a board; a stream has two on each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import tvm
from tvm.contrib import graph_executor

from ..codegen import input_name
from .artifact import Artifact
from .host_link import HostLink
from .session import Session
from .timeline import BOARD_SUMS, EXCHANGE_SUMS, clock_offset


class Track:
    """A board's exchanges and their connections, an executor with its arrays, a link of the host.

    Parameters
    ----------
    rank : int
        The board's rank.
    session : Session
        The board, on which the native runtime is loaded.
    """

    def __init__(self, rank: int, session: Session):
        self.rank, self._session = rank, session
        self.port: int | None = None  # where the same track of other boards finds it
        self._board = self._graph = self._link = None
        self._inputs = self._outputs = ()

    def listen(self, artifact: Artifact, deadline: float) -> None:
        """Make the board's exchanges ready to be connected."""
        table = json.dumps(artifact.tables[self.rank])
        create = self._session.remote.get_function("flexpie.board_create")
        self._board = create(self.rank, artifact.boards, table, int(deadline * 1000))
        self.port = int(self._board["listen"](self._session.address, 0))

    def take(self, executor: tvm.runtime.Module, artifact: Artifact, deadline: float) -> None:
        """Run this remote graph executor, with arrays of its own and a link of the host's."""
        rank, self._graph = self.rank, graph_executor.GraphModule(executor)
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
        received, sent = ([array for *_, array in parts] for parts in (self._inputs, self._outputs))
        self._link = HostLink(rank, self._session, received, sent, deadline)

    def beside(self, other: Track, library: tvm.runtime.Module) -> tvm.runtime.Module:
        """An executor that shares the weights of another track's, and computes in turns with it."""
        self._board["share_turn"](other._board)
        second = self._session.remote.get_function("flexpie.second_executor")
        return second(library, other._graph.module)

    def connect(self, peers: str, token: str) -> None:
        """Link with the same track of the boards that this one exchanges with."""
        self._board["connect"](peers, token)

    def run(
        self, frame: int, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
    ) -> None:
        """One inference: this board's share of scatter, run and gather."""
        answers = self._link.infer(
            self._parts(inputs), self._board, "run", self._graph.module, frame
        )
        self._place(answers, outputs)

    @property
    def parts(self) -> Sequence[tvm.runtime.Module]:
        """Link, board and executor: what the native runtime calls a track."""
        return self._link.module, self._board, self._graph.module

    def send_frame(self, inputs: Mapping[str, np.ndarray]) -> None:
        """The board's share of scattering a frame."""
        self._link.send_frame(self._parts(inputs))

    def receive_frame(self, outputs: Mapping[str, np.ndarray]) -> None:
        """The board's share of gathering a frame's answer."""
        self._place(self._link.receive(), outputs)

    def end_frames(self) -> None:
        """There are no more frames."""
        self._link.end_frames()

    def scatter(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Send this board what it needs of the inputs."""
        self._link.scatter(self._parts(inputs))

    def compute(self, frame: int) -> None:
        """Run the board's module, exchanges included."""
        self._board["run"](self._graph.module, frame)

    def stats(self) -> dict:
        """The native runtime's counters."""
        return json.loads(self._board["stats"]())

    def reset_stats(self) -> None:
        """Start the counters anew."""
        self._board["reset_stats"]()

    def clock_offset(self) -> int:
        """Nanoseconds that the board's clock is ahead of the host's."""
        return clock_offset(self._board["now"])[0]

    def close(self) -> None:
        """Leave the links."""
        if self._link is not None:
            self._link.close()
        if self._board is not None:
            self._board["close"]()

    def forget(self, alive: bool) -> None:
        """Free what is on the board, unless that is lost."""
        for *_, array in (*self._inputs, *self._outputs):
            self._session.release(array, alive)
        self._inputs = self._outputs = ()
        self._graph = self._board = self._link = None

    def _parts(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [inputs[port.name][region.slices()] for port, region, _ in self._inputs]

    def _place(self, answers: list[np.ndarray], outputs: Mapping[str, np.ndarray]) -> None:
        for (port, region, _), answer in zip(self._outputs, answers, strict=True):
            outputs[port.name][region.slices()] = answer


def added(stats: Sequence[Mapping]) -> dict:
    """Counters of a board's tracks as one board's.

    Parameters
    ----------
    stats : sequence of mapping
        The counters of each track.

    Returns
    -------
    stats : dict
        Sums, but of the last run those of the first track, on which single runs are;
        ``track_frames`` has the frames of each.
    """
    first, *others = stats
    total = {**first, "exchanges": [dict(exchange) for exchange in first["exchanges"]]}
    total["track_frames"] = [one["frames"] for one in stats]
    for other in others:
        for key in BOARD_SUMS:
            total[key] += other[key]
        for exchange, more in zip(total["exchanges"], other["exchanges"], strict=True):
            for key, value in more.items():
                if key in EXCHANGE_SUMS:
                    exchange[key] += value
    return total
