# SPDX-License-Identifier: Apache-2.0
"""Frames that can be taken again until they are answered."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np


class Replay:
    """A source of frames that forgets those that were answered, and no others.

    Parameters
    ----------
    frames : iterable
        Where they come from.
    """

    def __init__(self, frames: Iterable[Any]):
        self._frames = iter(frames)
        self._kept: deque = deque()
        self._lock = threading.Lock()
        self._view = 0  # the newest
        self._position = 0  # of the newest view, in what is kept

    def again(self) -> Iterator[Any]:
        """All frames from the first that was not answered; earlier iterators have ended then."""
        with self._lock:
            self._view += 1
            self._position = 0
            return self._iterate(self._view)

    def answered(self) -> None:
        """The first of the frames that are kept need not be taken again."""
        with self._lock:
            self._kept.popleft()
            self._position -= 1

    def _iterate(self, view: int) -> Iterator[Any]:
        while True:
            with self._lock:
                if view != self._view:
                    return
                if self._position == len(self._kept):
                    try:
                        self._kept.append(_kept(next(self._frames)))
                    except StopIteration:
                        return
                self._position += 1
                frame = self._kept[self._position - 1]
            yield frame


def _kept(frame: Any) -> Any:
    """A frame as it is now: a camera has one buffer, and fills it again."""
    if not isinstance(frame, Mapping):
        return frame
    return {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in frame.items()
    }
