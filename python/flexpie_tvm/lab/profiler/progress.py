# SPDX-License-Identifier: Apache-2.0
"""How far profiling has come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...cost.traces import TileTrace, TransferTrace


@dataclass
class Progress:
    """Grows while profiling runs; only tiles are built, and only they can fail."""

    start: float = field(default_factory=time.monotonic)
    timed: int = 0
    failed: int = 0
    seconds: float = 0.0
    build_seconds: float = 0.0
    spreads: list[float] = field(default_factory=list)

    def add(self, traces: Sequence[TileTrace] | Sequence[TransferTrace]) -> int:
        """Count what was timed; returns how many in all."""
        self.timed += len(traces)
        self.spreads.extend(trace.spread for trace in traces)
        self.seconds = time.monotonic() - self.start
        return self.timed

    def below(self, seconds: float, most: int) -> bool:
        """Whether there is time left, and something left to be timed."""
        return time.monotonic() - self.start < seconds and self.timed < most
