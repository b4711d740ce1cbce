# SPDX-License-Identifier: Apache-2.0
"""Control groups of this machine's kernel: they hold processes back and are removed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from flexpie_tvm.lab.testbed.cgroups import Limits, find_hierarchies, make_group, remove_groups
from flexpie_tvm.lab.testbed.servers import ENTER

from .conftest import needs_root

pytestmark = needs_root


def test_a_quota_holds_a_process_back():
    """Small enough that it does so also on a machine with much other work."""
    hierarchies = find_hierarchies(Path("/proc/self/mounts").read_text())
    core = min(os.sched_getaffinity(0))
    bed, quotas = f"flexpie-test-{os.getpid()}", (1.0, 0.02)
    started = []
    try:
        for rank, quota in enumerate(quotas):
            limits = Limits(quota, str(core), 0)
            files = list(map(str, make_group(hierarchies, bed, f"board{rank}", limits)))
            loop = [sys.executable, "-c", "while True: pass"]
            enter = ["sh", "-c", ENTER, "sh", str(len(files)), *files, *loop]
            started.append(subprocess.Popen(enter))
        time.sleep(1)
        before, start = [cpu_seconds(p.pid) for p in started], time.monotonic()
        time.sleep(3)
        used = [cpu_seconds(p.pid) - b for p, b in zip(started, before, strict=True)]
        wall = time.monotonic() - start
    finally:
        for process in started:
            process.kill()
            process.wait()
        remove_groups(hierarchies, bed)
    assert used[1] <= 2 * quotas[1] * wall
    assert used[0] > 1.5 * used[1]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_groups_of_this_kernel_are_made_and_removed():
    hierarchies = find_hierarchies(Path("/proc/self/mounts").read_text())
    name = f"flexpie-test-{os.getpid()}"
    files = make_group(hierarchies, name, "board0", Limits(0.5, "0", 1 << 28))
    assert all(file.exists() for file in files)
    remove_groups(hierarchies, name)
    assert not any(file.parent.parent.exists() for file in files)
