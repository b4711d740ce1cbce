# SPDX-License-Identifier: Apache-2.0
"""Frames that are taken again until they are answered."""

from __future__ import annotations

from itertools import islice

import numpy as np

from flexpie_tvm.runtime.replay import Replay


def test_frames_that_were_not_answered_come_again():
    replay = Replay(range(6))
    first = replay.again()
    assert list(islice(first, 4)) == [0, 1, 2, 3]
    replay.answered()
    replay.answered()
    second = replay.again()
    assert next(first, None) is None  # nothing is taken by who is not listened to
    assert next(second) == 2
    replay.answered()
    assert list(second) == [3, 4, 5]
    assert list(replay.again()) == [3, 4, 5]


def test_nothing_is_taken_before_it_is_asked_for():
    taken = []
    replay = Replay(taken.append(k) or k for k in range(9))
    view = replay.again()
    assert taken == []
    assert next(view) == 0
    assert taken == [0]


def test_frames_are_kept_as_they_were():
    """Their source may fill the memory of one again for the next."""
    buffer = np.zeros(3)

    def camera():
        for number in range(4):
            buffer[:] = number
            yield {"x": buffer}

    replay = Replay(camera())
    assert len(list(islice(replay.again(), 3))) == 3
    assert [frame["x"].tolist() for frame in replay.again()] == [[k] * 3 for k in range(4)]
