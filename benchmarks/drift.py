#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency before a board throttles, with it, and after the switch to another plan.

python benchmarks/drift.py --network resnet18 --boards 4 --share 0.25
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import flexpie_tvm
from flexpie_tvm.frontend.formats import model_inputs
from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Cluster, local_boards, relative_error
from flexpie_tvm.testing.faults import board_services, children, server_of, wait_for
from flexpie_tvm.testing.throttle import throttled

#: Seconds of a board's running and resting together.
PERIOD = 0.02


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet18", help="Name or ONNX file.")
    parser.add_argument("--artifact", type=Path, help="Built before, with its model.")
    parser.add_argument("--boards", type=int, default=4)
    parser.add_argument("--share", type=float, default=0.25, help="Of its time, left to a board.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--port", type=int, default=23100)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    key = f"drift-{os.getpid()}"
    with tempfile.TemporaryDirectory() as scratch, local_boards(1) as tracker:
        artifact, inputs = prepared(options, Path(scratch))
        with board_services(tracker, key, artifact.boards, options.port) as services:
            wait_for(tracker, key, artifact.boards)
            with (
                Cluster.connect((tracker.host, tracker.port), key, artifact.boards) as cluster,
                cluster.deploy(artifact) as deployment,
            ):
                server = server_of(cluster.sessions[1].port, services)
                measure(deployment, inputs, children(server), options)


def prepared(options: argparse.Namespace, scratch: Path) -> tuple:
    """An artifact with its model, and inputs."""
    network = find_network(options.network, {}, scratch)
    if options.artifact is not None:
        artifact = flexpie_tvm.runtime.load_artifact(options.artifact)
    else:
        path = scratch / "cut.flexpie"
        artifact = flexpie_tvm.compile(
            network.path, path, options.boards, host_target(), shapes=network.shapes
        )
    rng = np.random.default_rng(1)
    inputs = {
        i.name: rng.normal(size=i.shape).astype(i.dtype)
        for i in model_inputs(network.path, network.shapes)
    }
    return artifact, inputs


def measure(deployment, inputs: dict, sessions: list[int], options: argparse.Namespace) -> None:
    """Print a row for each state of the boards and the plan."""
    right, watch = deployment.run(inputs), deployment.watch(switch=True)

    def row(name: str) -> None:
        ms = deployment.latency(inputs, options.runs)
        (answer, *_), (first, *_) = deployment.run(inputs), right
        wrong = relative_error(answer, first)
        busy = [
            round(board["run_ns"] / 1e6 / max(1, board["frames"]), 1)  # 0: it has nothing to do
            for board in deployment.stats()
        ]
        print(f"| {name} | {statistics.median(ms):.1f} | {max(ms):.1f} | {wrong:.1e} | {busy} |")

    print("| state | ms, median | most | error | ms in a board's run, exchanges included |")
    print("|---|---|---|---|---|")
    row("as planned")
    watch.look()
    with throttled(sessions, PERIOD * options.share, PERIOD * (1 - options.share)):
        deployment.reset_stats()
        row(f"board 1 has {options.share:.0%} of its time")
        start = time.monotonic()
        while not deployment.recovery.repertoire.is_offered:
            for _ in range(5):
                deployment.run(inputs)
            watch.look()
            watch.adapt()
        print(f"| (looked, planned and built for {time.monotonic() - start:.1f} s) | | | | |")
        start = time.monotonic()
        deployment.run(inputs)
        print(f"| (switched and ran in {time.monotonic() - start:.2f} s) | | | | |")
        deployment.reset_stats()
        row("the same, another plan")
    print()


if __name__ == "__main__":
    main()
