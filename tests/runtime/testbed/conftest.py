# SPDX-License-Identifier: Apache-2.0
"""Testbeds need root; where the tests are not run as root they are skipped and say so."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from flexpie_tvm.lab.testbed import Testbed, TestbedRecord
from flexpie_tvm.runtime.tracker import free_boards

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="a testbed needs root: run the tests as root to test it"
)


def traces(record: TestbedRecord) -> list[str]:
    """What this machine still has of a testbed."""
    spaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    devices = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    found = [line for line in (spaces + devices.stdout).splitlines() if record.id in line]
    groups = Path("/sys/fs/cgroup")
    found += map(str, (*groups.glob(f"*{record.id}*"), *groups.glob(f"*/*{record.id}*")))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it has just ended
        if f"{record.subnet}.".encode() in words:  # the tracker's address
            found.append(f"process {process.name}")
    return found


def wait_until_free(bed: Testbed) -> None:
    """Servers give a board back a moment after its session ended."""
    until = time.monotonic() + 300  # under qemu a new session imports TVM first
    while free_boards(bed.host, bed.port, bed.key) < bed.boards:
        assert time.monotonic() < until
        time.sleep(0.1)
