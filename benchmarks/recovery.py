#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seconds from the loss of a board to the answer, on boards of this machine.

python benchmarks/recovery.py --network resnet18 --boards 4
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import flexpie_tvm
from flexpie_tvm.frontend.formats import load_model, model_inputs
from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Cluster, local_boards, relative_error
from flexpie_tvm.testing.faults import Fault, board_services, server_of, strike_server, wait_for


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet18", help="Name or ONNX file.")
    parser.add_argument("--boards", type=int, default=4)
    parser.add_argument("--times", type=int, default=5, help="Losses with a fallback built ahead.")
    parser.add_argument("--times-without", type=int, default=1, help="Losses without.")
    parser.add_argument("--deadline", type=float, default=2.0)
    parser.add_argument("--port", type=int, default=23000)
    options = parser.parse_args()
    key = f"recovery-{os.getpid()}"
    with tempfile.TemporaryDirectory() as scratch, local_boards(1) as tracker:
        ahead, inputs = prepared(options, Path(scratch))
        without = Path(scratch) / "without.flexpie"
        shutil.copytree(ahead.path, without)
        shutil.rmtree(without / "fallbacks")
        print("| fallbacks | fault | losses | wrong answers | s to the answer, median | most |")
        print("|---|---|---|---|---|---|")
        with board_services(tracker, key, options.boards, options.port) as services:
            for name, artifact, times in (
                ("1", ahead, options.times),
                ("0", replace(ahead, path=without), options.times_without),
            ):
                for kind in ("kill session", "kill server", "freeze and thaw"):
                    rows = [
                        lose(kind, k % options.boards, artifact, inputs, tracker, key, services,
                             options.deadline)
                        for k in range(times)
                    ]  # fmt: skip
                    seconds, wrong = [row[0] for row in rows], sum(row[1] for row in rows)
                    print(
                        f"| {name} | {kind} | {times} | {wrong} | "
                        f"{statistics.median(seconds):.2f} | {max(seconds):.2f} |",
                        flush=True,
                    )


def prepared(options: argparse.Namespace, scratch: Path) -> tuple:
    """An artifact that is ready for the loss of a board, and inputs."""
    network = find_network(options.network, {}, scratch)
    mod, target = load_model(network.path, network.shapes), host_target()
    mod = flexpie_tvm.FlexPiePreOptimize(target)(mod)
    mod = flexpie_tvm.FlexPiePartition(options.boards)(mod)
    start = time.monotonic()
    artifact = flexpie_tvm.build(
        mod, target, scratch / "cut.flexpie", model=network.path, fallbacks=1
    )
    print(f"built with a fallback in {time.monotonic() - start:.0f} s\n")
    rng = np.random.default_rng(1)
    inputs = {
        i.name: rng.normal(size=i.shape).astype(i.dtype)
        for i in model_inputs(network.path, network.shapes)
    }
    return artifact, inputs


def lose(kind, victim, artifact, inputs, tracker, key, services, deadline) -> tuple[float, bool]:
    """Seconds from a board's loss to the answer, and whether that is wrong."""
    wait_for(tracker, key, artifact.boards)
    with (
        Cluster.connect((tracker.host, tracker.port), key, artifact.boards) as cluster,
        cluster.deploy(artifact, deadline) as deployment,
    ):
        before = deployment.run(inputs, on_board_lost="replan")
        server = server_of(cluster.sessions[victim].port, services)
        start = time.monotonic()
        strike_server(Fault(kind, "idle", victim, 0, 10 * deadline), server)
        after = deployment.run(inputs, on_board_lost="replan")
        seconds = time.monotonic() - start
        assert deployment.artifact.boards == artifact.boards - 1
    wrong = any(relative_error(a, b) > 1e-4 for a, b in zip(after, before, strict=True))
    return seconds, wrong


if __name__ == "__main__":
    main()
