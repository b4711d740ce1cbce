# SPDX-License-Identifier: Apache-2.0
"""Where the time of an inference goes, board by board and step by step: from boards' counters.

step    an exchange and the computing that leads to it; the last one has no exchange
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import median

from ...runtime import Deployment
from ...runtime.timeline import per_run

END = "the end"  # what the last step leads to
DIGITS = 5  # of milliseconds, in records


@dataclass(frozen=True)
class BoardStep:
    """One step of one board, in milliseconds.

    Parameters
    ----------
    layer : str
        The one whose result is exchanged, or ``the end``.
    compute, wait, pack, wire : float
        Computing since the exchange before; in the exchange: nothing to do but wait for a
        neighbour, packing and unpacking, moving bytes.
    """

    layer: str
    compute: float
    wait: float = 0.0
    pack: float = 0.0
    wire: float = 0.0

    @property
    def total(self) -> float:
        """Milliseconds from the exchange before to the end of this one."""
        return self.compute + self.wait + self.pack + self.wire


@dataclass(frozen=True)
class BoardTime:
    """One board's part of an inference whose input is in place.

    Parameters
    ----------
    compute, wait, pack, wire : float
        Milliseconds of all steps.
    bytes_sent, bytes_received, bytes_forwarded : float
        To, from and between other boards.
    steps : list of BoardStep
        In the order of time.
    """

    compute: float
    wait: float
    pack: float
    wire: float
    bytes_sent: float
    bytes_received: float
    bytes_forwarded: float
    steps: list[BoardStep] = field(default_factory=list)

    @property
    def busy(self) -> float:
        """Milliseconds that it does not wait: the others wait for the board with the most."""
        return self.compute + self.pack + self.wire

    @classmethod
    def from_json(cls, data: Mapping) -> BoardTime:
        """From what `dataclasses.asdict` made."""
        return cls(**{**data, "steps": [BoardStep(**step) for step in data["steps"]]})


class TimeCounter:
    """Reads the counters of a deployment for what it runs in a ``with`` block, each time.

    Parameters
    ----------
    deployment : Deployment
        Its counters start anew with every block.
    """

    def __init__(self, deployment: Deployment):
        self._deployment = deployment
        self._rounds: list[list[dict]] = []

    def __enter__(self) -> TimeCounter:
        self._deployment.reset_stats()
        return self

    def __exit__(self, failure: type | None, *_: object) -> None:
        if failure is None:
            self._rounds.append(self._deployment.stats())

    def boards(self) -> list[BoardTime]:
        """Every board's time: an inference's average in a block, the median of all blocks."""
        return [board_time(blocks) for blocks in zip(*self._rounds, strict=True)]


def board_time(blocks: Sequence[Mapping]) -> BoardTime:
    """One board's time from its counters of some blocks; the median counts."""
    rows = per_run(blocks)
    names = [f.name for f in fields(BoardTime) if f.name != "steps"]
    totals = {name: _median([row[name] for row in rows]) for name in names}
    steps = [_middle(same) for same in zip(*map(steps_of, blocks), strict=True)]
    return BoardTime(**totals, steps=steps)


def steps_of(stats: Mapping) -> list[BoardStep]:
    """A board's steps from its counters: computing is the last run's, all else an average."""
    runs, steps, before = max(stats["frames"], 1), [], 0
    for exchange in sorted(stats["exchanges"], key=lambda e: e["last_start_ns"]):
        compute = (exchange["last_start_ns"] - before) / 1e6
        times = [exchange[f"{name}_ns"] / runs / 1e6 for name in ("wait", "pack", "wire")]
        steps.append(BoardStep(exchange["layer"], compute, *times))
        before = exchange["last_end_ns"]
    rest = stats["run_end_ns"] - stats["run_start_ns"] - before
    return [*steps, BoardStep(END, rest / 1e6)]


def _middle(same: Sequence[BoardStep]) -> BoardStep:
    times = {
        name: _median([getattr(step, name) for step in same])
        for name in ("compute", "wait", "pack", "wire")
    }
    return BoardStep(same[0].layer, **times)


def _median(values: Sequence[float]) -> float:
    return round(median(values), DIGITS)
