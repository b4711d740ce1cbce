# SPDX-License-Identifier: Apache-2.0
"""The runtime's exchange beside bare sockets, in turns: both ways at once between two processes.

    python benchmarks/exchange.py [--before OTHER/libflexpie_runtime.so] [--testbed 1Gbps]

A C++ program (exchange_driver.cc) is each board, on a core of its own: on bare loopback, or with
--testbed (as root) in the network namespaces of a testbed's boards. It prints the median of a swap
of 28 KB, 256 KiB and 1 MB by bare sendmsg and recv, and by the exchange; with --before also that of
another build of the runtime, such as one without checksums.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import tvm

from checksum import NATIVE, ROOT
from flexpie_tvm.lab.testbed import STATE_FOLDER, TestbedOptions, testbed
from flexpie_tvm.lab.testbed.commands import NETNS_FOLDER
from flexpie_tvm.lab.testbed.state import load
from flexpie_tvm.plan import parse_bandwidth

sys.path.insert(0, str(ROOT))
from tests.native.boards import TensorExchange, table

SIZES = {"28 KB": 28 * 1024, "256 KiB": 256 * 1024, "1 MB": 1024 * 1024}
Pair = Sequence[subprocess.Popen]


def built(folder: Path) -> Path:
    """The compiled driver."""
    package = Path(tvm.__file__).parent
    include = ("include", "3rdparty/dlpack/include", "3rdparty/dmlc-core/include")
    program = folder / "exchange_driver"
    subprocess.run(
        ["g++", "-O2", "-std=c++17", *(f"-I{package / path}" for path in include),
         "-DDMLC_USE_LOGGING_LIBRARY=<tvm/runtime/logging.h>",
         str(Path(__file__).with_name("exchange_driver.cc")), "-o", str(program),
         str(package / "libtvm_runtime.so"), f"-Wl,-rpath,{package}"],
        check=True,
    )  # fmt: skip
    return program


@contextmanager
def pair(program: Path, library: Path, port: int, places) -> Iterator[Pair]:
    """Both boards, ready; places are of each its address and what enters its network."""
    exchanges = []
    for size in SIZES.values():
        ins = [[[rank, rank + 1], [0, size]] for rank in range(2)]
        exchanges.append(TensorExchange(ins, ins[::-1], "uint8"))
    children = []
    try:
        for rank, (own, enter) in enumerate(places):
            told = json.dumps(table(rank, 2, exchanges))
            command = [str(program), str(rank), str(library), own, places[1 - rank][0], str(port)]
            children.append(
                subprocess.Popen(
                    [*enter, *command, told, *map(str, SIZES.values())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        for child in children:
            assert child.stdout.readline() == "ready\n"
        yield children
    finally:
        for child in children:
            child.stdin.close()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def asked(boards: Pair, line: str) -> list[float]:
    """Microseconds of each swap, on the first board."""
    for board in boards:
        print(line, file=board.stdin, flush=True)
    answers = [json.loads(board.stdout.readline()) for board in boards]
    return answers[0]


def compare(pairs: dict[str, Pair], rounds: int, repetitions: int) -> None:
    """Print medians and ratios to bare sockets, all of them in turns."""
    for number, (name, size) in enumerate(SIZES.items()):
        ways = [("raw", next(iter(pairs.values())))]
        ways += [("exchange", boards) for boards in pairs.values()]
        names, times = ["raw", *pairs], [[] for _ in ways]
        for turn in range(rounds):
            order = range(len(ways)) if turn % 2 else reversed(range(len(ways)))
            for k in order:
                kind, boards = ways[k]
                times[k].append(median(asked(boards, f"{kind} {number} {repetitions}")))
        for k, way in enumerate(names):
            ratio = median(b / a for a, b in zip(times[0], times[k], strict=True))
            took = median(times[k])
            print(f"{name}, {way}: {took:.1f} us, {8 * size / took:.0f} Mbit/s each way, "
                  f"ratio of turns {ratio:.3f}", flush=True)  # fmt: skip
        if len(pairs) > 1:
            ratio = median(b / a for a, b in zip(times[1], times[2], strict=True))
            print(f"{name}: after / before {ratio:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another build to compare with")
    parser.add_argument("--after", type=Path, default=NATIVE)
    parser.add_argument("--testbed", metavar="RATE", help="of each board's link, such as 1Gbps")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=20)
    options = parser.parse_args()
    libraries = {"before": options.before, "after": options.after}
    libraries = {name: path for name, path in libraries.items() if path is not None}
    with tempfile.TemporaryDirectory() as scratch:
        program = built(Path(scratch))
        if options.testbed is None:
            measured(program, libraries, [("127.0.0.1", [])] * 2, options)
            return
        with testbed(TestbedOptions(2, parse_bandwidth(options.testbed))) as bed:
            network = load(STATE_FOLDER, bed.name).network
            places = [
                (network.address(k), ["nsenter", f"--net={NETNS_FOLDER}/{network.board(k)}"])
                for k in range(2)
            ]
            measured(program, libraries, places, options)


def measured(program: Path, libraries, places, options) -> None:
    """Compare builds at places."""
    port = 20000 + os.getpid() % 20000
    with ExitStack() as stack:
        pairs = {
            name: stack.enter_context(pair(program, path, port + 10 * k, places))
            for k, (name, path) in enumerate(libraries.items())
        }
        compare(pairs, options.rounds, options.repetitions)


if __name__ == "__main__":
    main()
