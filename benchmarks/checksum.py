# SPDX-License-Identifier: Apache-2.0
"""What the checksum of messages costs: one exchange by two builds of the runtime, in turns.

    python benchmarks/checksum.py --before OTHER/libflexpie_runtime.so [--rate 1gbit]

Two boards in one process send each other as many bytes as given, over TCP. Each build has a process
of its own; they take turns of a few exchanges. With --rate (as root) both are in network
namespaces of their own whose loopback has that rate, which both directions share.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path

from in_turns import compare, start

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"28 KB": 28 * 1024, "1 MB": 1024 * 1024}
NATIVE = ROOT / "python/flexpie_tvm/native/x86_64/libflexpie_runtime.so"


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
    children = [
        start([__file__, "--serve", str(library)], options.rate)
        for library in (options.before, options.after)
    ]
    compare(children, {name: f"{k} 10" for k, name in enumerate(SIZES)}, options.rounds)
    return None


if __name__ == "__main__":
    main()
