# SPDX-License-Identifier: Apache-2.0
"""What the checksum of the host's link costs: there and back by two checkouts, in turns.

    python benchmarks/host_checksum.py --before OTHER_CHECKOUT [--rate 1gbit]

A board in the same process gets as many bytes as given over TCP on loopback and sends them back.
Each checkout, with its own native runtime, has a process of its own; they take turns. Without
--rate this is the most that the checksum can be of a round trip, as loopback has no wire; with it
(as root) both are in network namespaces of their own whose loopback has that rate, which both
directions share.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"28 KB": 28 * 1024, "1 MB": 1024 * 1024}
SHAPED = (
    "ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate {} burst 16kb latency 50ms && "
)


def serve() -> None:
    """Answer lines of "size repetitions" with microseconds, one round trip each."""
    import numpy as np
    import tvm

    from flexpie_tvm.runtime.host_link import HostLink
    from flexpie_tvm.runtime.native import native_library

    library = tvm.runtime.load_module(str(native_library(os.uname().machine)))

    class Here:
        address = "127.0.0.1"

        def __init__(self):
            self.remote = self

        def get_function(self, name):
            return tvm.get_global_func(name)

    assert library is not None
    links = {}
    for size in SIZES.values():
        held = [tvm.nd.empty((size,), "uint8")]
        data = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
        links[size] = HostLink(0, Here(), held, held, 30.0), data, held
    print("ready", flush=True)
    for line in sys.stdin:
        size, repetitions = map(int, line.split())
        link, data, _ = links[size]
        times = []
        for _ in range(repetitions):
            begin = time.perf_counter()
            link.scatter([data])
            (answer,) = link.gather()
            times.append(1e6 * (time.perf_counter() - begin))
        assert (answer == data).all()
        print(json.dumps(times), flush=True)


def start(checkout: Path, rate: str | None) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": str(checkout / "python")}
    command = [sys.executable, __file__, "--serve"]
    if rate:
        text = SHAPED.format(rate) + 'exec "$@"'
        command = ["unshare", "-n", "sh", "-c", text, "sh", *command]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    assert child.stdout.readline() == "ready\n"
    return child


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="the checkout to compare with")
    parser.add_argument("--rate", help="of the loopback, as tc writes it")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve()
    children = [start(checkout, options.rate) for checkout in (options.before, ROOT)]
    try:
        for name, size in SIZES.items():
            medians = [[], []]
            for turn in range(options.rounds):
                for which in (0, 1) if turn % 2 else (1, 0):
                    print(f"{size} 20", file=children[which].stdin, flush=True)
                    times = json.loads(children[which].stdout.readline())
                    medians[which].append(statistics.median(times))
            ratio = statistics.median(b / a for a, b in zip(*medians, strict=True))
            before, after = map(statistics.median, medians)
            print(
                f"{name}: {before:.1f} us before, {after:.1f} us after; "
                f"ratio of turns {ratio:.3f}, of least {min(medians[1]) / min(medians[0]):.3f}"
            )
    finally:
        for child in children:
            child.stdin.close()
            child.wait(30)
    return None


if __name__ == "__main__":
    main()
