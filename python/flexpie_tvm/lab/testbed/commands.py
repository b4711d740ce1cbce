# SPDX-License-Identifier: Apache-2.0
"""Run the system's network tools, and work inside a network namespace."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from ...errors import ClusterError

Result = TypeVar("Result")

CLONE_NEWNET = 0x40000000
NETNS_FOLDER = "/run/netns"
TOOLS = ("ip", "tc", "bridge", "nsenter", "setsid", "chrt")


def check_system() -> None:
    """Refuse to go on unless we are root and the tools are here.

    Raises
    ------
    ClusterError
        If we are not root, or a program is missing; it says which.
    """
    if os.geteuid() != 0:
        raise ClusterError(
            "a testbed makes network namespaces and control groups: run it as root, "
            "or use --local boards, which need no rights"
        )
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise ClusterError(
            f"a testbed needs the program '{missing[0]}': install iproute2 and util-linux"
        )


def run(*command: str, given: str | None = None) -> str:
    """Run a program and return what it printed; ``ClusterError`` with its own words if it fails."""
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it gave no reason"]
        raise ClusterError(f"'{' '.join(command)}' failed: {words[0]}")
    return done.stdout


def batch(tool: str, namespace: str | None, lines: Sequence[str]) -> None:
    """Give ``ip``, ``tc`` or ``bridge`` many commands at once."""
    if lines:
        where = ("-n", namespace) if namespace else ()
        run(tool, *where, "-batch", "-", given="\n".join(lines) + "\n")


def inside(namespace: str, work: Callable[[], Result]) -> Result:
    """Call ``work`` inside a network namespace; sockets that it makes stay there.

    A thread of its own enters the namespace, so the caller never leaves its own.
    """
    outcome: list = []

    def enter() -> None:
        try:
            with open(f"{NETNS_FOLDER}/{namespace}") as handle:
                if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter namespace {namespace}")
            outcome.append((work(), None))
        except BaseException as error:  # raised again in the caller's thread
            outcome.append((None, error))

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result
