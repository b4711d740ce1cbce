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
import sys
import time
from pathlib import Path

from in_turns import compare, start

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"28 KB": 28 * 1024, "1 MB": 1024 * 1024}


def serve() -> None:
    """Answer lines of "size repetitions" with microseconds, one round trip each."""
    import numpy as np
    import tvm

    from flexpie_tvm.runtime.host_link import HostLink
    from flexpie_tvm.runtime.native import native_library

    library = tvm.runtime.load_module(str(native_library(os.uname().machine)))

    class Here:
        address, secure = "127.0.0.1", None

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="the checkout to compare with")
    parser.add_argument("--rate", help="of the loopback, as tc writes it")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve()
    children = [
        start(
            [__file__, "--serve"], options.rate, {**os.environ, "PYTHONPATH": str(path / "python")}
        )
        for path in (options.before, ROOT)
    ]
    compare(children, {name: f"{size} 20" for name, size in SIZES.items()}, options.rounds)
    return None


if __name__ == "__main__":
    main()
