# SPDX-License-Identifier: Apache-2.0
"""Several inferences in flight: boards compute one while the next comes and the last one goes.

A stream is one RPC call per board, which runs every frame as its inputs arrive and returns when
it is told that there are no more. Threads of the host:

feeder    takes frames from their source, at most so many ahead of the caller
sender    one per board; sends its part of every frame
receiver  one per board; puts its part of every answer in place

A frame's inputs are sent, and its answer is received, as soon as the board has room for them.
Frames go to the boards' tracks in turns: a board computes a frame of one while that of the other
waits for a neighbour. Each track has room for one frame beside the one that it runs.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from queue import SimpleQueue

import numpy as np

from ..errors import InputError
from .artifact import Artifact
from .board_runner import BoardRunner
from .port import check_inputs
from .workers import Explained, Workers, forget_locals, never

#: Seconds that the threads of a stream are given to end.
ENDING_SECONDS = 5.0


@dataclass
class Frame:
    """One inference of a stream."""

    outputs: dict[str, np.ndarray]
    left: set[int]  # boards that have not answered
    error: BaseException | None = None


@dataclass
class _State:
    """What the threads share, under one lock."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    pending: deque[Frame] = field(default_factory=deque)
    fed: bool = False  # there are no more frames
    failed: dict[int, BaseException] = field(default_factory=dict)  # of links, by rank
    progress: float = field(default_factory=time.monotonic)


class Failed(Exception):
    """Boards failed, by rank, or did not answer."""

    def __init__(self, failures: Mapping[int, BaseException], silent: set[int]):
        super().__init__("boards failed")
        self.failures, self.silent = failures, silent


class Stream:
    """Frames on their way through boards.

    Parameters
    ----------
    runners : sequence of BoardRunner
        The boards.
    workers : Workers
        Their threads, which wait for the boards' calls meanwhile.
    artifact : Artifact
        What they run.
    in_flight : int
        Frames that are taken from their source and not answered, at most.
    first : int
        Number of the first frame.
    patience : float
        Seconds to wait for a board that others may be waiting for.
    tracks : int
        On how many of the boards' tracks.
    hopeless, explained : callable
        As for `Workers.each`.

    Attributes
    ----------
    taken : int
        Frames that went to the boards.
    """

    def __init__(
        self,
        runners: Sequence[BoardRunner],
        workers: Workers,
        artifact: Artifact,
        in_flight: int,
        first: int,
        patience: float,
        tracks: int = 1,
        hopeless: Callable[[set[int]], bool] = lambda _: False,
        explained: Explained = never,
    ):
        self._runners, self._workers, self._artifact = runners, workers, artifact
        self._patience, self._hopeless, self._explained = patience, hopeless, explained
        self._state = _State()
        self._room = threading.Semaphore(in_flight)
        self._to_send = [SimpleQueue() for _ in runners]
        self._to_receive = [SimpleQueue() for _ in runners]
        self._stopped, self.taken = False, 0
        self._slots: list[dict[str, np.ndarray]] = []  # inputs of frames under way
        self._in_flight = in_flight
        self._tracks = tracks
        self._calls = workers.begin(lambda k: runners[k].serve(first, tracks))
        for call in self._calls:
            call.add_done_callback(lambda _: self._notify())
        ranks = range(len(runners))
        self._threads = [threading.Thread(target=self._send, args=(k,), daemon=True) for k in ranks]
        self._threads += [
            threading.Thread(target=self._receive, args=(k,), daemon=True) for k in ranks
        ]
        for thread in self._threads:
            thread.start()

    def answers(self, frames: Iterable[Mapping[str, np.ndarray]]) -> Iterator[Frame]:
        """Frames as they are answered, in their order.

        Raises
        ------
        Failed
            If a board does not answer a frame.
        """
        threading.Thread(target=self._feed, args=(iter(frames),), daemon=True).start()
        state = self._state
        while True:
            with state.changed:
                self._wait_until(lambda: state.pending or state.fed, None)
                if not state.pending:
                    return
                frame = state.pending[0]
                self._wait_until(lambda f=frame: not f.left, frame)
                state.pending.popleft()
            self._room.release()
            yield frame

    def stop(self, patience: float | None = None) -> None:
        """Let frames under way come to their end, then the boards' calls.

        Parameters
        ----------
        patience : float, optional
            Seconds to wait for boards; by default the stream's.

        Raises
        ------
        Failed
            If boards failed, or do not end.
        """
        state = self._state
        with state.changed:
            if self._stopped:
                return
            self._stopped = state.fed = True
            for queue in (*self._to_send, *self._to_receive):
                queue.put(None)
        self._room.release()  # the feeder may wait for it
        patience = self._patience if patience is None else patience
        _, failures, silent = self._workers.finish(
            self._calls, patience, per_board=True, hopeless=self._hopeless,
            explained=self._explained,
        )  # fmt: skip
        if failures or silent:
            raise Failed({**state.failed, **failures}, silent)
        until = time.monotonic() + ENDING_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if state.failed:
            raise Failed(state.failed, set())

    def _wait_until(self, done: Callable[[], object], frame: Frame | None) -> None:
        """Wait for something, as long as boards are well; the lock is held."""
        state, start, asked = self._state, time.monotonic(), 0
        while not done():
            if state.failed or any(call.done() for call in self._calls):
                raise Failed({}, set())
            timeout = None
            if frame is not None:
                waited = (time.monotonic() - max(start, state.progress)) / self._patience
                if waited >= len(frame.left):
                    raise Failed({}, set(frame.left))
                if int(waited) > asked and self._hopeless(set(frame.left)):
                    raise Failed({}, set(frame.left))
                asked = int(waited)
                timeout = (asked + 1 - waited) * self._patience
            state.changed.wait(timeout)

    def _feed(self, frames: Iterator[Mapping[str, np.ndarray]]) -> None:
        state = self._state
        while True:
            self._room.acquire()
            if self._stopped:
                return
            frame, parts = self._take(frames)
            with state.changed:
                if frame is None or self._stopped:
                    state.fed = True
                    state.changed.notify_all()
                    return
                state.pending.append(frame)
                state.fed = frame.error is not None and not isinstance(frame.error, InputError)
                if parts is not None:
                    self.taken += 1
                    for rank in range(len(self._runners)):
                        self._to_send[rank].put(parts)
                        self._to_receive[rank].put(frame)
                state.changed.notify_all()
                if state.fed:  # the source broke
                    return

    def _take(self, frames: Iterator[Mapping[str, np.ndarray]]):
        """The next frame and its checked inputs; no inputs after an error, no frame at the end."""
        try:
            inputs = next(frames)
        except StopIteration:
            return None, None
        except BaseException as error:  # of the source: the caller's to see
            return Frame({}, set(), error), None
        try:
            checked = check_inputs(self._artifact.inputs, inputs)
        except InputError as error:  # the stream goes on
            return Frame({}, set(), error), None
        outputs = {port.name: np.empty(port.shape, port.dtype) for port in self._artifact.outputs}
        return Frame(outputs, set(range(len(self._runners)))), self._held(checked)

    def _held(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A frame's inputs in memory of ours: a camera has one buffer, and fills it again.

        The memory is that of the frame so many before, which is answered: else there would be no
        room for this one.
        """
        place = self.taken % self._in_flight
        if place == len(self._slots):
            self._slots.append({name: np.empty_like(x, order="C") for name, x in inputs.items()})
        for name, array in self._slots[place].items():
            np.copyto(array, inputs[name])
        return self._slots[place]

    def _send(self, rank: int) -> None:
        runner, queue = self._runners[rank], self._to_send[rank]
        try:
            tracks = cycle(range(self._tracks))
            while (inputs := queue.get()) is not None:
                runner.send_frame(next(tracks), inputs)
            for track in range(self._tracks):
                runner.end_frames(track)
        except BaseException as error:
            self._fail(rank, error)

    def _receive(self, rank: int) -> None:
        runner, queue, state = self._runners[rank], self._to_receive[rank], self._state
        try:
            tracks = cycle(range(self._tracks))
            while (frame := queue.get()) is not None:
                runner.receive_frame(next(tracks), frame.outputs)
                with state.changed:
                    frame.left.discard(rank)
                    state.progress = time.monotonic()
                    state.changed.notify_all()
        except BaseException as error:
            self._fail(rank, error)

    def _fail(self, rank: int, error: BaseException) -> None:
        forget_locals(error)
        with self._state.changed:
            self._state.failed.setdefault(rank, error)
            self._state.changed.notify_all()

    def _notify(self) -> None:
        with self._state.changed:
            self._state.changed.notify_all()
