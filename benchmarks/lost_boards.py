#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a host process holds after it has lost boards many times: it must not grow.

Each time two boards are taken, deployed to and run; then one loses its session or its server, the
error is kept for a moment, and both are given back. TVM has room for 32 sessions in a process.

python benchmarks/lost_boards.py --losses 200
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from pathlib import Path

import numpy as np

import flexpie_tvm
from flexpie_tvm.errors import BoardError
from flexpie_tvm.frontend.formats import load_model, model_inputs
from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Artifact, Cluster, local_boards
from flexpie_tvm.testing.faults import Fault, board_services, server_of, strike_server, wait_for

KINDS = ("kill session", "kill server")
DEADLINE = 2.0


def main() -> int:
    """Print a Markdown table; 1 if slots, files or threads have grown from 50 losses on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="squeezenet", help="Name or ONNX file.")
    parser.add_argument("--losses", type=int, default=200)
    parser.add_argument("--every", type=int, default=50, help="Losses between two rows.")
    parser.add_argument("--port", type=int, default=23400)
    options = parser.parse_args()
    key, rows = f"lost-{os.getpid()}", []
    print("| losses | highest slot | open files | threads | RSS MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch, local_boards(1) as tracker:
        artifact, inputs = prepared(options.network, Path(scratch))
        with board_services(tracker, key, 2, options.port) as services:
            for losses in range(options.losses + 1):
                wait_for(tracker, key, 2)
                slot = lose(losses, artifact, inputs, (tracker.host, tracker.port), key, services)
                if losses % options.every == 0 or losses == 1:
                    rows.append((slot, len(os.listdir("/dev/fd")), threading.active_count()))
                    cells = [losses, *rows[-1], f"{resident() / 1e6:.1f}"]
                    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    first, last = rows[min(2, len(rows) - 1)], rows[-1]
    return int(any(b > a for a, b in zip(first, last, strict=True)))


def prepared(name: str, scratch: Path) -> tuple[Artifact, dict[str, np.ndarray]]:
    """An artifact for two boards, and inputs."""
    network, target = find_network(name, {}, scratch), host_target()
    mod = flexpie_tvm.FlexPiePreOptimize(target)(load_model(network.path, network.shapes))
    mod = flexpie_tvm.FlexPiePartition(2)(mod)
    rng = np.random.default_rng(1)
    inputs = {
        i.name: rng.normal(size=i.shape).astype(i.dtype)
        for i in model_inputs(network.path, network.shapes)
    }
    return flexpie_tvm.build(mod, target, scratch / "two.flexpie"), inputs


def lose(number: int, artifact, inputs, place: tuple[str, int], key: str, services) -> int:
    """Lose a board (none at number 0); the highest of TVM's session slots that was used."""
    cluster = Cluster.connect(place, key, 2)
    try:
        slot = max(session.remote._tbl_index for session in cluster.sessions)
        deployment = cluster.deploy(artifact, DEADLINE)
        deployment.run(inputs)
        if number:
            victim = number % 2
            server = server_of(cluster.sessions[victim].port, services)
            kind = KINDS[number // 2 % 2]
            strike_server(Fault(kind, "idle", victim, 0, 0), server)
            named = None
            try:
                deployment.run(inputs)
            except BoardError as error:
                named = error.board
            assert named == victim, f"board {named} was named, {victim} was lost"
    finally:
        cluster.close()
    return slot


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    raise SystemExit(main())
