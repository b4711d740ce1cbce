# SPDX-License-Identifier: Apache-2.0
"""Two processes that time the same thing, in turns, on this machine's loopback."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

SHAPED = (
    "ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate {} burst 16kb latency 50ms && "
)


def start(
    arguments: Sequence[str], rate: str | None, env: Mapping[str, str] | None = None
) -> subprocess.Popen:
    """A Python process that has said that it is ready; with a rate in a network of its own."""
    command = [sys.executable, *arguments]
    if rate:
        text = SHAPED.format(rate) + 'exec "$@"'
        command = ["unshare", "-n", "sh", "-c", text, "sh", *command]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    assert child.stdout.readline() == "ready\n"
    return child


def compare(
    children: Sequence[subprocess.Popen], asked: Mapping[str, str], rounds: int
) -> dict[str, tuple[float, float]]:
    """Print what two processes take for each thing asked of them, and end them.

    Parameters
    ----------
    children : sequence of Popen
        Before and after. Each answers a line with a list of microseconds.
    asked : mapping
        What it is called -> the line.
    rounds : int
        How often each is asked.

    Returns
    -------
    medians : dict
        What it is called -> microseconds before and after.
    """
    found: dict[str, tuple[float, float]] = {}
    try:
        for name, line in asked.items():
            medians = [[], []]
            for turn in range(rounds):
                for which in (0, 1) if turn % 2 else (1, 0):
                    print(line, file=children[which].stdin, flush=True)
                    times = json.loads(children[which].stdout.readline())
                    medians[which].append(statistics.median(times))
            ratio = statistics.median(b / a for a, b in zip(*medians, strict=True))
            before, after = found[name] = tuple(map(statistics.median, medians))
            print(
                f"{name}: {before:.1f} us before, {after:.1f} us after; "
                f"ratio of turns {ratio:.3f}, of medians {after / before:.3f}, "
                f"of least {min(medians[1]) / min(medians[0]):.3f}"
            )
    finally:
        for child in children:
            child.stdin.close()
            child.wait(30)
    return found
