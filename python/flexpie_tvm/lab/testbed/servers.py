# SPDX-License-Identifier: Apache-2.0
"""Start the tracker and the stock RPC servers in their namespaces, and end them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import ClusterError
from ...runtime.local import last_line
from .commands import NETNS_FOLDER, run
from .network import TRACKER_PORT, BoardNetwork

BOARD_PORT = 9090
ENTER_SECONDS = 5.0
END_SECONDS = 10.0
# Writes its own id into the files before it becomes the command, so that nothing escapes.
ENTER = 'n="$1"; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1"; shift; n=$((n-1)); done; exec "$@"'


def tracker_command(network: BoardNetwork) -> list[str]:
    """The tracker's command line."""
    ports = ["--port", str(TRACKER_PORT), "--port-end", str(TRACKER_PORT + 1)]
    where = ["--host", network.tracker_address, *ports]
    return [sys.executable, "-m", "tvm.exec.rpc_tracker", *where]


def server_command(network: BoardNetwork, rank: int, program: Sequence[str], key: str) -> list[str]:
    """Command line of a server on a board: the stock one, or another with the same options."""
    return [
        *program,
        *("--host", network.address(rank), "--key", key),
        *("--port", str(BOARD_PORT), "--port-end", str(BOARD_PORT + 100)),
        *("--tracker", f"{network.tracker_address}:{TRACKER_PORT}"),
    ]


def start(
    namespace: str,
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    groups: Sequence[Path] = (),
) -> None:
    """Start a command in a namespace and control groups; it outlives us until `end_all`.

    Parameters
    ----------
    namespace : str
        BoardNetwork namespace.
    command : sequence of str
        What to run.
    log : Path
        Gets what the command prints.
    environment : mapping
        Added to ours.
    groups : sequence of Path
        ``cgroup.procs`` files.

    Raises
    ------
    ClusterError
        If it never enters the namespace.
    """
    enter = ["sh", "-c", ENTER, "sh", str(len(groups)), *map(str, groups)]
    with log.open("wb") as stream:
        # setsid --fork: the server is nobody's child here, and leaves no zombie behind
        subprocess.run(
            [
                *("setsid", "--fork", *enter),
                *("nsenter", f"--net={NETNS_FOLDER}/{namespace}", *command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={**os.environ, **environment},
            cwd=log.parent,
            check=True,
        )
    until = time.monotonic() + ENTER_SECONDS
    while not processes(namespace):
        if time.monotonic() > until:
            raise ClusterError(f"a server in {namespace} did not start: {last_line(log)}")
        time.sleep(0.005)


def processes(namespace: str) -> list[int]:
    """Ids of all processes in a network namespace, whoever started them."""
    if not os.path.exists(f"{NETNS_FOLDER}/{namespace}"):
        return []
    return [int(pid) for pid in run("ip", "netns", "pids", namespace).split()]


def end_all(namespaces: Sequence[str]) -> None:
    """End every process in the namespaces.

    Raises
    ------
    ClusterError
        If one does not end.
    """
    until = time.monotonic() + END_SECONDS
    while left := [pid for namespace in namespaces for pid in processes(namespace)]:
        if time.monotonic() > until:
            raise ClusterError(f"process {left[0]} of a board does not end")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
