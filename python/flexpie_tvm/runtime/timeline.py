# SPDX-License-Identifier: Apache-2.0
"""What the boards did in their last run, and when: from their counters to a timeline.

A board says when it ran and met its exchanges by a steady clock of its own. The host asks each
board for its clock and takes the answer to be of the middle of the question's round trip: the
shortest of some round trips tells how far the two clocks are apart, to half its length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..plan import Event, Timeline
from .artifact import Artifact, Port

HOST = -1
#: Of a board's counters, and of an exchange's, those that add up.
BOARD_SUMS = ("frames", "run_ns")
EXCHANGE_SUMS = (
    "count", "bytes_sent", "bytes_received", "bytes_forwarded", "local_bytes",
    "pack_ns", "wait_ns", "total_ns", "wire_ns",
)  # fmt: skip


@dataclass(frozen=True)
class Moments:
    """When the host dealt with a board in one run; nanoseconds of the host's clock.

    Before ``start`` it had sent nothing of the inputs, at ``stop`` it had all of the outputs.
    """

    start: int
    stop: int


def clock_offset(
    board_clock: Callable[[], int],
    host_clock: Callable[[], int] = time.perf_counter_ns,
    tries: int = 8,
) -> tuple[int, int]:
    """How far a board's clock is ahead of the host's, and how far off that may be.

    Parameters
    ----------
    board_clock, host_clock : callable
        Nanoseconds; the board's over RPC.
    tries : int
        Round trips; the shortest counts.

    Returns
    -------
    offset, uncertainty : int
        Nanoseconds; the board's clock shows the host's plus ``offset``, give or take
        ``uncertainty``.
    """
    found = []
    for _ in range(tries):
        before = host_clock()
        shown = board_clock()
        after = host_clock()
        found.append((after - before, shown - (before + after) // 2))
    trip, offset = min(found)
    return offset, trip // 2


def board_events(
    board: int, stats: Mapping, moments: Moments, offset: int, origin: int
) -> list[Event]:
    """What one board did in its last run.

    Parameters
    ----------
    board : int
        Its rank.
    stats : mapping
        Its counters.
    moments : Moments
        When the host dealt with it.
    offset : int
        Nanoseconds that its clock is ahead of the host's.
    origin : int
        When the run began on the host's clock: time 0 of the events.

    Returns
    -------
    events : list of Event
        In the order of time. An exchange's waiting is drawn first, although a board may also
        wait between two messages; what remains is packing and moving bytes. Scattering and
        gathering are all the time before and after the board's own run.
    """
    start, stop = stats["run_start_ns"] - offset, stats["run_end_ns"] - offset
    spans = [("scatter", "inputs", moments.start, start)]
    at = start
    for exchange in sorted(stats["exchanges"], key=lambda e: e["last_start_ns"]):
        begin, end = start + exchange["last_start_ns"], start + exchange["last_end_ns"]
        going = min(begin + exchange["last_wait_ns"], end)
        spans.append(("compute", f"until {exchange['layer']}", at, begin))
        spans.append(("wait", exchange["name"], begin, going))
        spans.append(("exchange", exchange["name"], going, end))
        at = end
    spans.append(("compute", "until the end", at, stop))
    spans.append(("gather", "outputs", stop, moments.stop))
    return [
        Event(board, what, name, (begin - origin) / 1e6, (end - origin) / 1e6)
        for what, name, begin, end in spans
        if end > begin
    ]


def bytes_of_links(artifact: Artifact) -> dict[tuple[int, int], int]:
    """(source, target) -> bytes that this link carries in one run; the host is -1."""
    links: dict[tuple[int, int], int] = {}
    for table in artifact.tables:
        for exchange in table["exchanges"]:
            itemsize = np.dtype(exchange["dtype"]).itemsize
            for message in exchange["sends"]:
                key = (table["rank"], message["via"])
                volume = int(np.prod([b - a for a, b in message["region"]], dtype=np.int64))
                links[key] = links.get(key, 0) + volume * itemsize
            for relay in exchange["relays"]:
                key = (table["rank"], relay["to"])
                links[key] = links.get(key, 0) + relay["bytes"]
    for board in range(artifact.boards):
        for key, ports in (((HOST, board), artifact.inputs), ((board, HOST), artifact.outputs)):
            if nbytes := sum(_bytes(port, board) for port in ports):
                links[key] = nbytes
    return links


def per_run(stats: Sequence[Mapping]) -> list[dict[str, float]]:
    """Where each board's time went, on average of the runs since the counters were reset.

    Returns
    -------
    rows : list of dict
        One per board: milliseconds ``run`` = ``compute`` + ``pack`` + ``wait`` + ``wire``, and
        ``bytes_sent``, ``bytes_received`` and ``bytes_forwarded``.
    """
    rows = []
    for board in stats:
        runs = max(board["frames"], 1)
        row = {"run": board["run_ns"] / runs / 1e6}
        for name in ("pack", "wait", "wire"):
            row[name] = sum(e[f"{name}_ns"] for e in board["exchanges"]) / runs / 1e6
        row["compute"] = row["run"] - row["pack"] - row["wait"] - row["wire"]
        for name in ("bytes_sent", "bytes_received", "bytes_forwarded"):
            row[name] = sum(e[name] for e in board["exchanges"]) / runs
        rows.append(row)
    return rows


def measured_timeline(
    artifact: Artifact,
    stats: Sequence[Mapping],
    moments: Sequence[Moments | None],
    offsets: Sequence[int],
) -> Timeline:
    """The last run of all boards, in the form of a predicted one (`plan.simulate`)."""
    taken = [m for m in moments if m is not None]
    origin = min(m.start for m in taken)
    timeline = Timeline(links=bytes_of_links(artifact))
    for board, (own, when, offset) in enumerate(zip(stats, moments, offsets, strict=True)):
        if when is not None and own["frames"]:  # else the plan leaves it out
            timeline.events.extend(board_events(board, own, when, offset, origin))
    timeline.latency = (max(m.stop for m in taken) - origin) / 1e6
    return timeline


def _bytes(port: Port, board: int) -> int:
    return port.regions[board].volume * np.dtype(port.dtype).itemsize
