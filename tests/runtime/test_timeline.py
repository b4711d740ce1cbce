# SPDX-License-Identifier: Apache-2.0
"""What boards did in a run, on one clock; and as a trace and a picture."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from flexpie_tvm.errors import InputError
from flexpie_tvm.explain import chrome_trace, save_picture
from flexpie_tvm.plan import Event
from flexpie_tvm.runtime import Cluster
from flexpie_tvm.runtime.timeline import Moments, board_events, clock_offset, per_run

MS = 1_000_000


@pytest.mark.parametrize("ahead", [0, -7_000_000_000, 123_456_789_012])
def test_a_board_s_clock_is_found_within_half_a_round_trip(ahead):
    rng = random.Random(ahead)
    true_time = [5_000_000]

    def host():
        return true_time[0]

    def board():
        true_time[0] += rng.randint(10_000, 900_000)  # on the way
        shown = true_time[0] + ahead
        true_time[0] += rng.randint(10_000, 900_000)  # and back
        return shown

    offset, uncertainty = clock_offset(board, host)
    assert abs(offset - ahead) <= uncertainty + 1
    assert uncertainty < 900_000


def counters(exchanges):
    return {
        "frames": 2,
        "run_ns": 20 * MS,
        "run_start_ns": 1000 * MS,
        "run_end_ns": 1010 * MS,
        "exchanges": exchanges,
    }


def one_exchange(**changes):
    return {
        "name": "t",
        "layer": "conv",
        "last_start_ns": 2 * MS,
        "last_end_ns": 7 * MS,
        "last_wait_ns": 3 * MS,
        "pack_ns": 1 * MS,
        "wait_ns": 6 * MS,
        "wire_ns": 3 * MS,
        "bytes_sent": 8,
        "bytes_received": 4,
        "bytes_forwarded": 0,
        **changes,
    }


def test_a_board_s_run_is_moved_to_the_host_s_clock():
    moments = Moments(start=100 * MS, stop=114 * MS)
    events = board_events(3, counters([one_exchange()]), moments, 898 * MS, 100 * MS)
    assert events == [
        Event(3, "scatter", "inputs", 0, 2),
        Event(3, "compute", "until conv", 2, 4),
        Event(3, "wait", "t", 4, 7),
        Event(3, "exchange", "t", 7, 9),
        Event(3, "compute", "until the end", 9, 12),
        Event(3, "gather", "outputs", 12, 14),
    ]


def test_where_the_time_of_a_run_went():
    (row,) = per_run([counters([one_exchange(), one_exchange(bytes_forwarded=2)])])
    assert row == {
        "run": 10,
        "compute": 0,
        "pack": 1,
        "wait": 6,
        "wire": 3,
        "bytes_sent": 8,
        "bytes_received": 4,
        "bytes_forwarded": 1,
    }


@pytest.fixture(scope="module")
def seen(boards, artifacts, small_inputs):
    """Artifact, timeline and counters of four boards of a ring after three runs."""
    artifact = artifacts(4, "OutC", "ring")
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 4) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        with pytest.raises(InputError, match="before the first run"):
            deployment.timeline()
        for _ in range(3):
            deployment.run(small_inputs)
        return artifact, deployment.timeline(), deployment.stats()


def test_a_board_does_one_thing_at_a_time_within_the_run(seen):
    artifact, timeline, stats = seen
    slack = 5  # ms; the clocks of boards and host are known to half a round trip
    for board in range(4):
        mine = [e for e in timeline.events if e.board == board]
        assert all(a.stop <= b.start + slack for a, b in pairwise(mine))
        assert all(-slack <= e.start <= e.stop <= timeline.latency + slack for e in mine)
        waited = sum(e.stop - e.start for e in mine if e.what == "wait")
        counted = sum(e["last_wait_ns"] for e in stats[board]["exchanges"]) / MS
        assert waited == pytest.approx(counted, abs=1e-3)
        names = {e["name"] for e in stats[board]["exchanges"]}
        assert {e.name for e in mine if e.what == "exchange"} <= names
    between = {link: n for link, n in timeline.links.items() if min(link) >= 0}
    assert sum(between.values()) == artifact.bytes_exchanged + artifact.bytes_forwarded
    assert {(b - a) % 4 for a, b in between} <= {1, 3}  # of a ring: only neighbours
    image = 3 * 16 * 16 * 4
    assert sum(n for (a, _), n in timeline.links.items() if a == -1) >= image


def test_counters_add_up_to_the_run(seen):
    for row in per_run(seen[2]):
        parts = [row[name] for name in ("compute", "pack", "wait", "wire")]
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(row["run"])
    assert sum(row["bytes_forwarded"] for row in per_run(seen[2])) == seen[0].bytes_forwarded


def test_the_trace_has_every_event(seen):
    timeline = seen[1]
    rows = chrome_trace({"measured": timeline, "again": timeline})["traceEvents"]
    spans = [row for row in rows if row["ph"] == "X"]
    assert len(spans) == 2 * len(timeline.events)
    for row, event in zip(spans, timeline.events, strict=False):
        assert (row["pid"], row["tid"], row["cat"]) == (0, event.board, event.what)
        assert row["ts"] == pytest.approx(1000 * event.start)
        assert row["dur"] == pytest.approx(1000 * (event.stop - event.start))
    threads = [r["args"]["name"] for r in rows if r["ph"] == "M" and r["name"] == "thread_name"]
    assert threads == [f"board {k}" for k in range(4)] * 2


def test_the_picture_shows_what_boards_spend_their_time_with(seen, tmp_path):
    path = tmp_path / "timeline.png"
    save_picture({"measured": seen[1]}, path)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    for colour in ((0x2F, 0x6F, 0xB3), (0xC4, 0x3F, 0x3F), (0xE3, 0xE6, 0xEA)):
        assert (pixels == colour).all(axis=1).any()
    save_picture({"measured": seen[1], "predicted": seen[1]}, tmp_path / "timeline.svg")
    assert "<svg" in (tmp_path / "timeline.svg").read_text()
