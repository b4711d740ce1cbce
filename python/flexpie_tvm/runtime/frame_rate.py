# SPDX-License-Identifier: Apache-2.0
"""How many frames a second a deployment answers, and how long each of them takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .deployment import Deployment

IN_FLIGHT = 4


@dataclass(frozen=True)
class FrameTimes:
    """How a stream went.

    Parameters
    ----------
    frames_per_second : float
        From its beginning to its last answer.
    frame_ms : tuple of float
        Milliseconds of each frame, from when it was there to its answer.
    """

    frames_per_second: float
    frame_ms: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """Milliseconds that this share of the frames did not exceed."""
        return float(np.quantile(self.frame_ms, share))


def frame_times(
    deployment: Deployment,
    inputs: Mapping[str, np.ndarray],
    frames: int,
    on_board_lost: str = "raise",
    in_flight: int = IN_FLIGHT,
    every: float = 0.0,
    tracks: int = 1,
    watched: Callable[[Callable[[Iterable], Iterator], Iterable], Iterator] | None = None,
) -> FrameTimes:
    """Time a stream of the same frame.

    Parameters
    ----------
    deployment : Deployment
        Where it runs.
    inputs : mapping
        The frame.
    frames : int
        How many.
    on_board_lost, in_flight, tracks
        As for `Deployment.stream`.
    every : float
        Seconds from one frame to the next, as a camera has them. A frame that is not asked for
        in time waits, which counts. 0 means that a frame is there when it is asked for.
    watched : callable, optional
        Takes what runs a stream and its frames, and gives the answers.
    """
    there: list[float] = []
    begin = time.perf_counter()

    def source() -> Iterator[Mapping[str, np.ndarray]]:
        for number in range(frames):
            due = begin + number * every
            if every:
                time.sleep(max(0.0, due - time.perf_counter()))
            there.append(due if every else time.perf_counter())
            yield inputs

    def stream(frames: Iterable) -> Iterator:
        return deployment.stream(frames, in_flight, on_board_lost=on_board_lost, tracks=tracks)

    answers = watched(stream, source()) if watched else stream(source())
    answered = [time.perf_counter() for _ in answers]
    taken = tuple(1e3 * (end - start) for start, end in zip(there, answered, strict=True))
    return FrameTimes(len(answered) / (answered[-1] - begin), taken)
