# SPDX-License-Identifier: Apache-2.0
"""Run a command in a process group of its own that ends with whoever started it.

TVM's servers work through child processes that outlive a killed parent. This program, run
as a script, starts the command in its own group and ends the whole group as soon as its
standard input closes: when the host asks for it, and also when the host was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

#: Environment variable: cores that the command may use, such as ``0,1``.
CORES = "FLEXPIE_CORES"
#: Another: set where they are its own. A host that uses them as well is not interrupted there:
#: every board has its inputs before the first one computes.
BATCH = "FLEXPIE_BATCH"


def main(command: list[str]) -> int:
    """Run a command until it ends or standard input closes; we lead a process group."""
    if cores := os.environ.get(CORES):
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    if os.environ.get(BATCH):
        with suppress(OSError):  # some sandboxes refuse it, and boards run without
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_watch, daemon=True).start()
    child.wait()
    os.killpg(0, signal.SIGKILL)  # also what the command left behind
    return child.returncode


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
