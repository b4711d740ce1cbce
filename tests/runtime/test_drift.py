# SPDX-License-Identifier: Apache-2.0
"""A board that throttles and a link that halves are noticed, once, until it is over."""

from __future__ import annotations

import numpy as np

from flexpie_tvm.plan import Event, Timeline
from flexpie_tvm.runtime import Cluster
from flexpie_tvm.runtime.drift import Drift, Hysteresis, Watch
from flexpie_tvm.testing.throttle import throttled

from .processes import board_process

MS = 1_000_000


class Counters:
    """Boards that compute and move bytes for as long as they are told."""

    def __init__(self, boards: int):
        self.frames, self.run, self.wire = 0, [0] * boards, [0] * boards

    def frame(self, compute: list[float], wire: list[float]) -> None:
        self.frames += 1
        for board, (a, b) in enumerate(zip(compute, wire, strict=True)):
            self.run[board] += int((a + b) * MS)
            self.wire[board] += int(b * MS)

    def stats(self) -> list[dict]:
        none = dict.fromkeys(("pack_ns", "wait_ns", "bytes_sent", "bytes_received"), 0)
        return [
            {
                "frames": self.frames,
                "run_ns": run,
                "exchanges": [{"id": 0, "wire_ns": wire, **none, "bytes_forwarded": 0}],
            }
            for run, wire in zip(self.run, self.wire, strict=True)
        ]


def test_it_takes_some_looks_to_begin_and_to_end():
    seen = Hysteresis(1.5, 1.2, 2)
    values = [1.0, 1.6, 1.4, 1.6, 1.6, 1.3, 1.1, 1.3, 1.1, 1.0, 1.6]
    assert [seen.see(v) for v in values] == [
        False, False, False, False, True, True, True, True, True, False, False,
    ]  # fmt: skip


def test_a_board_that_throttles_and_a_link_that_halves_are_told_apart():
    counters = Counters(3)
    watch = Watch(counters.stats, looks=1)
    looks = []
    for compute, wire in [
        ([10, 10, 10], [2, 2, 2]), ([10, 10, 10], [2, 2, 2]), ([10, 30, 10], [2, 2, 2]),
        ([10, 30, 10], [4, 2, 2]), ([10, 11, 10], [4, 2, 2]), ([10, 10, 10], [2, 2, 2]),
    ]:  # fmt: skip
        counters.frame(compute, wire)
        looks.append([(d.kind, d.board, round(d.factor, 1)) for d in watch.look()])
    throttles, halves = ("compute", 1, 3.0), ("exchange", 0, 2.0)
    assert looks == [[], [], [throttles], [throttles, halves], [halves], []]


def test_a_board_may_be_slower_than_planned_from_the_beginning():
    """Predictions are off by one factor for all; what counts is how boards compare."""
    events = [Event(0, "compute", "a", 0, 2), Event(1, "compute", "a", 0, 4)]
    counters = Counters(2)
    watch = Watch(counters.stats, Timeline(events), looks=1)
    counters.frame([20, 40], [1, 1])  # as planned, for boards ten times as slow
    assert watch.look() == []
    counters = Counters(2)
    watch = Watch(counters.stats, Timeline(events), looks=1)
    counters.frame([20, 80], [1, 1])
    assert watch.look() == [Drift("compute", 1, 2.0)]
    assert "board 1 computes 2.0 times as long" in str(watch.look()[0])


def test_nothing_new_changes_nothing_and_counters_may_begin_anew():
    counters = Counters(1)
    watch = Watch(counters.stats, looks=1)
    assert watch.look() == []
    counters.frame([10], [1])
    watch.look()
    counters.frame([20], [1])
    drifting = watch.look()
    assert len(drifting) == 1
    assert watch.look() == drifting
    counters.frames, counters.run, counters.wire = 0, [0], [0]
    counters.frame([10], [1])
    assert watch.look() == []


def test_a_real_board_that_is_slowed_down_is_named(busy, boards):
    inputs = {"image": np.random.default_rng(1).normal(size=(1, 3, 96, 96)).astype("float32")}

    def worst(looks: int) -> Drift | None:
        """The worst at the first of some looks that tells any: what else runs disturbs them."""
        for _ in range(looks):
            for _ in range(6):
                deployment.run(inputs)
            for drift in watch.look():
                if drift.kind == "compute":
                    return drift
        return None

    with (
        Cluster.connect((boards.host, boards.port), boards.key, 2) as cluster,
        cluster.deploy(busy) as deployment,
    ):
        watch = deployment.watch()
        worst(1)
        with throttled([board_process(cluster, 1)], 0.004, 0.25):
            slow = worst(12)
    assert slow is not None
    assert (slow.kind, slow.board) == ("compute", 1)
    assert slow.factor > 1.5
