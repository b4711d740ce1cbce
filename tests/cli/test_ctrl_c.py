# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends what a command started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def test_ctrl_c_leaves_nothing_running(artifact):
    command = [str(Path(sys.executable).with_name("flexpie")), "run", str(artifact), "--local"]
    process = subprocess.Popen(
        [*command, "--repeat", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # a shell's background jobs, and so what they start, ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        text=True,
    )
    try:
        until = time.monotonic() + 90
        while len(servers := _servers_of(process.pid)) < 3 and time.monotonic() < until:
            time.sleep(0.2)
        assert len(servers) >= 3
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "flexpie: interrupted"
    assert not [pid for pid in servers if os.path.exists(f"/proc/{pid}")]


def _servers_of(parent: int) -> list[int]:
    """Processes of a parent that run tvm.exec modules (through the supervisor)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat, open(f"/proc/{entry}/cmdline", "rb") as line:
                if int(stat.read().rsplit(")", 1)[1].split()[1]) == parent and b"tvm.exec" in (
                    line.read()
                ):
                    found.append(int(entry))
        except OSError:
            continue
    return found
