# SPDX-License-Identifier: Apache-2.0
"""What encryption costs: exchanges of two boards and the host's way there and back, in turns.

    python benchmarks/secure.py [--rate 1gbit] [--testbed 1Gbps]

Two boards in one process send each other as many bytes as given, over TCP: a process with plain
links and one with encrypted links take turns. With --rate (as root) both are in network namespaces
of their own whose loopback has that rate, which both directions share. With --testbed (as root)
boards are servers in namespaces of their own, with links of that rate each way: testbeds with plain
and with encrypted links take turns. Goodput is what one board gets from the other in the time of an
exchange.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median

import numpy as np
import tvm

import checksum
from flexpie_tvm.lab.testbed import TestbedOptions, testbed
from flexpie_tvm.plan import parse_bandwidth
from flexpie_tvm.runtime import Cluster
from flexpie_tvm.runtime.host_link import HostLink
from flexpie_tvm.runtime.latency import timed
from flexpie_tvm.runtime.link_key import VARIABLE, make_key
from flexpie_tvm.runtime.native import native_library
from flexpie_tvm.runtime.session import Session
from in_turns import compare, start

sys.path.insert(0, str(checksum.ROOT))
from tests.native.boards import TOKEN, TensorExchange, on_threads, raise_any, table

SIZES = checksum.SIZES
REPEATS = 40


def on_loopback(key: Path, rate: str | None, rounds: int) -> None:
    """Print times of exchanges between threads of one process."""
    library = str(native_library(os.uname().machine))
    children = [
        start([checksum.__file__, "--serve", library], rate, {**os.environ, VARIABLE: value})
        for value in ("", str(key))
    ]
    asked = {name: f"{k} 10" for k, name in enumerate(SIZES)}
    for name, (plain, secure) in compare(children, asked, rounds).items():
        print(f"{name}: goodput {goodput(SIZES[name], plain, secure)}")


def goodput(size: int, plain: float, secure: float) -> str:
    """Megabits per second of so many bytes in so many microseconds."""
    return f"{8 * size / plain:.0f} Mbit/s plain, {8 * size / secure:.0f} Mbit/s encrypted"


def on_testbed(key: Path, rate: str, turns: int) -> None:
    """Print times of exchanges and of the host's way there and back."""
    found: dict[tuple[str, bool], list[float]] = {}
    for turn in range(turns):
        for secure in (False, True) if turn % 2 else (True, False):
            os.environ[VARIABLE] = str(key) if secure else ""  # servers of the testbed get it
            options = TestbedOptions(2, parse_bandwidth(rate))
            with (
                testbed(options) as bed,
                Cluster.connect((bed.host, bed.port), bed.key, 2, key if secure else None) as own,
            ):
                for name, times in measured(own.sessions).items():
                    found.setdefault((name, secure), []).extend(times)
    for name, secure in [*found]:
        if secure:
            continue
        plain, encrypted = median(found[name, False]), median(found[name, True])
        size = SIZES[name.split(",")[0]]
        print(
            f"{name}: {plain:.0f} us plain, {encrypted:.0f} us encrypted, ratio "
            f"{encrypted / plain:.3f}; goodput {goodput(size, plain, encrypted)}"
        )


def measured(sessions: list[Session]) -> dict[str, list[float]]:
    """Microseconds of each repetition, on two boards of a testbed."""
    for session in sessions:
        session.load_once(native_library(os.uname().machine))
    times = {}
    for name, size in SIZES.items():
        data = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
        held = [tvm.nd.empty(data.shape, "uint8", sessions[0].remote.cpu(0))]
        with closing(HostLink(0, sessions[0], held, held, 30.0)) as link:
            ways = [lambda d=data, k=link: (k.scatter([d]), k.gather())] * REPEATS
            times[f"{name}, host to board and back"] = [1000 * timed(way) for way in ways]
        times[f"{name}, exchange"] = exchange_times(sessions, size)
    return times


def exchange_times(sessions: list[Session], size: int) -> list[float]:
    """Microseconds of exchanges, as the board tells that comes to them last."""
    ins = [[[rank, rank + 1], [0, size]] for rank in range(2)]
    exchange = TensorExchange(ins, ins[::-1], "uint8")
    create, calls = "flexpie.board_create", []
    boards = [
        s.remote.get_function(create)(r, 2, json.dumps(table(r, 2, [exchange])), 30_000)
        for r, s in enumerate(sessions)
    ]
    for rank, session in enumerate(sessions):
        device = session.remote.cpu(0)
        x, y = (tvm.nd.array(np.full((1, size), rank, "uint8"), device) for _ in range(2))
        tokens = [tvm.nd.array(np.zeros(1, "int32"), device) for _ in range(2)]
        function = session.remote.get_function("flexpie.exchange")
        calls.append(lambda a=(rank, 0, *tokens, x, y), f=function: f(*a))
    peers = json.dumps(
        [
            {"rank": r, "host": s.address, "port": int(board["listen"](s.address, 0))}
            for r, (board, s) in enumerate(zip(boards, sessions, strict=True))
        ]
    )
    times = []
    try:
        raise_any(on_threads(*[lambda b=board: b["connect"](peers, TOKEN) for board in boards]))
        for _ in range(REPEATS):
            raise_any(on_threads(*calls))
            last = [json.loads(board["stats"]())["exchanges"][0] for board in boards]
            times.append(min(one["last_end_ns"] - one["last_start_ns"] for one in last) / 1000)
    finally:
        for board in boards:
            board["close"]()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", help="of the loopback, as tc writes it")
    parser.add_argument("--testbed", metavar="RATE", help="of each board's link, such as 1Gbps")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        key = make_key(Path(scratch) / "psk.key").path
        if options.testbed:
            on_testbed(key, options.testbed, turns=3)
        else:
            on_loopback(key, options.rate, options.rounds)


if __name__ == "__main__":
    main()
