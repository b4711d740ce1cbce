# SPDX-License-Identifier: Apache-2.0
"""Arrays between the host and boards: over the host's link and over TVM's RPC, in turns.

    python benchmarks/host_link.py [--boards 2] [--bandwidth 1Gbps] [--kilobytes 10 150 602 1200]

Needs root. Milliseconds, medians; every board gets or gives an array of that size at the same time.
"wire" is what the host's link needs for the bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack, closing
from statistics import median

import numpy as np
import tvm

from flexpie_tvm.lab.testbed import TestbedOptions, testbed
from flexpie_tvm.plan import parse_bandwidth
from flexpie_tvm.runtime import Cluster
from flexpie_tvm.runtime.host_link import HostLink
from flexpie_tvm.runtime.latency import timed
from flexpie_tvm.runtime.native import native_library
from flexpie_tvm.runtime.workers import Workers

REPEATS = 15
SECONDS = 30.0


def main() -> None:
    """Bring a testbed up, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=2)
    parser.add_argument("--bandwidth", default="1Gbps")
    parser.add_argument("--kilobytes", type=int, nargs="*", default=[10, 150, 602, 1200])
    given = parser.parse_args()
    rate = parse_bandwidth(given.bandwidth)
    print("boards      kB  scatter: RPC   link  x faster  gather: RPC   link  x faster    wire")
    with (
        testbed(TestbedOptions(given.boards, rate)) as bed,
        Cluster.connect((bed.host, bed.port), bed.key, given.boards) as cluster,
        closing(Workers(given.boards)) as workers,
    ):
        for session in cluster.sessions:
            session.load_once(native_library("x86_64"))
        for used in sorted({1, given.boards}):
            for size in given.kilobytes:
                ways = measure(cluster.sessions[:used], workers, size * 1000)
                wire = used * size * 8e6 / rate
                print(f"{used:6}  {size:6}  {row(*ways[:2])}  {row(*ways[2:])}  {wire:6.2f}")


def measure(sessions: list, workers: Workers, size: int) -> list[float]:
    """Medians of scattering over RPC and over the link, and of gathering likewise."""
    data = np.random.default_rng(0).integers(0, 255, size, dtype=np.uint8)
    with ExitStack() as stack:
        arrays = [tvm.nd.empty(data.shape, "uint8", s.remote.cpu(0)) for s in sessions]
        links = [
            stack.enter_context(closing(HostLink(k, s, [a], [a], SECONDS)))
            for k, (s, a) in enumerate(zip(sessions, arrays, strict=True))
        ]
        ways: list[Callable[[int], object]] = [
            lambda k: arrays[k].copyfrom(data),
            lambda k: links[k].scatter([data]),
            lambda k: arrays[k].numpy(),
            lambda k: links[k].gather(),
        ]
        times: list[list[float]] = [[] for _ in ways]
        for _ in range(REPEATS):
            for way, found in zip(ways, times, strict=True):
                found.append(timed(lambda w=way: everywhere(workers, len(sessions), w)))
    return [median(found) for found in times]


def everywhere(workers: Workers, used: int, work: Callable[[int], object]) -> None:
    """Do the same on the boards in use at once."""
    _, failures, silent = workers.each(lambda k: work(k) if k < used else None, SECONDS)
    if failures or silent:
        raise SystemExit(f"boards failed: {failures or silent}")


def row(over_rpc: float, over_link: float) -> str:
    """Two times and their ratio."""
    return f"{over_rpc:12.2f}  {over_link:5.2f}  {over_rpc / over_link:8.2f}"


if __name__ == "__main__":
    main()
