# SPDX-License-Identifier: Apache-2.0
"""Whose processor time something takes: boards of a testbed, this program, the whole machine."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from flexpie_tvm.lab.testbed import Testbed
from flexpie_tvm.lab.testbed.servers import processes
from flexpie_tvm.lab.testbed.state import STATE_FOLDER, load

#: What /proc counts in, milliseconds.
TICK_MS = 1e3 / os.sysconf("SC_CLK_TCK")


class CpuTime:
    """Milliseconds since it was made; packets of the testbed's links are on whoever was at work.

    Parameters
    ----------
    bed : Testbed
        Whose boards are asked.
    """

    def __init__(self, bed: Testbed):
        network = load(STATE_FOLDER, bed.name).network
        self._ids = [pid for rank in range(bed.boards) for pid in processes(network.board(rank))]
        self._begin = self._now()

    def spent(self) -> tuple[float, float, float]:
        """Of the boards, of this program, of the machine."""
        now = self._now()
        return tuple(after - before for after, before in zip(now, self._begin, strict=True))

    def _now(self) -> tuple[float, float, float]:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        user, nice, system, _, _, interrupts, soft = map(int, words[:7])  # of the rest nothing ran
        machine = TICK_MS * (user + nice + system + interrupts + soft)
        return sum(map(_ms_of, self._ids)), 1e3 * time.process_time(), machine


def _ms_of(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return TICK_MS * (int(fields[11]) + int(fields[12]))
    return 0.0
