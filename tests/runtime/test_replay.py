# SPDX-License-Identifier: Apache-2.0
"""Frames that are taken again until they are answered."""

from __future__ import annotations

from itertools import islice

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
