# SPDX-License-Identifier: Apache-2.0
"""Whose processor time something takes: boards of a testbed, this program, the whole machine."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil

from flexpie_tvm.lab.testbed import Testbed
from flexpie_tvm.lab.testbed.servers import processes
from flexpie_tvm.lab.testbed.state import STATE_FOLDER, load


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
        t = psutil.cpu_times()
        machine = t.user + t.nice + t.system + t.irq + t.softirq  # of the rest nothing ran
        return sum(map(_ms_of, self._ids)), 1e3 * time.process_time(), 1e3 * machine


def _ms_of(pid: int) -> float:
    with suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return 1e3 * (times.user + times.system)
    return 0.0
