# SPDX-License-Identifier: Apache-2.0
"""What the checksum of messages costs: one exchange by two builds of the runtime, in turns.

    python benchmarks/checksum.py --before OTHER/libflexpie_runtime.so [--rate 1gbit]

Two boards in one process send each other as many bytes as given, over TCP. Each build has a process
of its own; they take turns of a few exchanges. With --rate (as root) both are in network
namespaces of their own whose loopback has that rate, which both directions share.
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"28 KB": 28 * 1024, "1 MB": 1024 * 1024}
NATIVE = ROOT / "python/flexpie_tvm/native/x86_64/libflexpie_runtime.so"
SHAPED = (
    "ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate {} burst 16kb latency 50ms && "
)


def serve(library: str) -> None:
    """Answer lines of "exchange repetitions" with microseconds, one exchange each."""
    sys.path.insert(0, str(ROOT))
    import tvm

    tvm.runtime.load_module(library)
    import numpy as np
    from tests.native.boards import Cluster, TensorExchange, on_threads, token

    exchanges = []
    for size in SIZES.values():
        ins = [[[rank, rank + 1], [0, size]] for rank in range(2)]
        exchanges.append(TensorExchange(ins, ins[::-1], "uint8"))
    exchange = tvm.get_global_func("flexpie.exchange")
    with Cluster("tcp", exchanges, 2):
        tokens = [token() for _ in range(4)]
        xs = [
            tvm.nd.array(np.random.randint(0, 256, (1, size)).astype("uint8"))
            for size in SIZES.values()
        ]
        ys = [[tvm.nd.empty((1, size), "uint8") for size in SIZES.values()] for _ in range(2)]
        print("ready", flush=True)
        for line in sys.stdin:
            number, repetitions = map(int, line.split())
            meet = threading.Barrier(2)

            def run(rank, number=number, repetitions=repetitions, meet=meet):
                times = []
                for _ in range(repetitions):
                    meet.wait()
                    begin = time.perf_counter()
                    exchange(
                        rank,
                        number,
                        tokens[2 * rank],
                        tokens[2 * rank + 1],
                        xs[number],
                        ys[rank][number],
                    )
                    times.append(1e6 * (time.perf_counter() - begin))
                return times

            times = on_threads(lambda: run(0), lambda: run(1))
            print(json.dumps(times[0]), flush=True)


def start(library: Path, rate: str | None) -> subprocess.Popen:
    command = [sys.executable, __file__, "--serve", str(library)]
    if rate:
        text = SHAPED.format(rate) + 'exec "$@"'
        command = ["unshare", "-n", "sh", "-c", text, "sh", *command]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    return child


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="the runtime to compare with")
    parser.add_argument("--after", type=Path, default=NATIVE)
    parser.add_argument("--rate", help="of the loopback, as tc writes it")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    children = [start(library, options.rate) for library in (options.before, options.after)]
    try:
        for number, size in enumerate(SIZES):
            medians = [[], []]
            for turn in range(options.rounds):
                for which in (0, 1) if turn % 2 else (1, 0):
                    print(f"{number} 10", file=children[which].stdin, flush=True)
                    times = json.loads(children[which].stdout.readline())
                    medians[which].append(statistics.median(times))
            ratio = statistics.median(b / a for a, b in zip(*medians, strict=True))
            before, after = map(statistics.median, medians)
            print(
                f"{size}: {before:.1f} us before, {after:.1f} us after; "
                f"ratio of turns {ratio:.3f}, of medians {after / before:.3f}, "
                f"of least {min(medians[1]) / min(medians[0]):.3f}"
            )
    finally:
        for child in children:
            child.stdin.close()
            child.wait(30)
    return None


if __name__ == "__main__":
    main()
