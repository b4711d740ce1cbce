# SPDX-License-Identifier: Apache-2.0
"""The processes behind boards, for tests that stop or end them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from flexpie_tvm.runtime import Cluster


def board_process(cluster: Cluster, rank: int) -> int:
    """Process that serves a board's session."""
    remote = cluster.sessions[rank].remote
    # the stock server serves each session in a process that works in a folder of its own
    folder = os.path.dirname(remote.get_function("tvm.rpc.server.workpath")("x"))
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _has_open(entry, folder):
            return int(entry)
    raise AssertionError(f"no process works in {folder}")


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """A process that hangs meanwhile."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def _has_open(pid: str, folder: str) -> bool:
    try:
        with open(f"/proc/{pid}/maps") as maps:
            return folder in maps.read()
    except OSError:
        return False
