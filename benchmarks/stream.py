#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Frames a second of streams, beside one inference after the other, on links of a testbed.

    python benchmarks/stream.py --networks resnet50 ppocr_det mobilenet --boards 2 --bandwidth 1Gbps

Needs root. "bound" is the most that any stream could do: one frame per longest step, which is the
slowest board's computing and exchanging, or the host's link moving all inputs or all answers.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import repeat
from pathlib import Path
from statistics import median

import numpy as np

import flexpie_tvm
from flexpie_tvm.frontend.formats import load_model
from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.lab.testbed import TestbedOptions, testbed
from flexpie_tvm.plan import parse_bandwidth
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Artifact, Cluster, Deployment, Port
from flexpie_tvm.runtime.frame_rate import frame_rate

IN_FLIGHT = (1, 2, 4)


def main() -> None:
    """Bring a testbed up for each network, measure, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["resnet50", "mobilenet"])
    parser.add_argument("--boards", type=int, default=2)
    parser.add_argument("--bandwidth", default="1Gbps")
    parser.add_argument("--frames", type=int, default=60)
    given = parser.parse_args()
    rate = parse_bandwidth(given.bandwidth)
    print("| network | latency ms | 1/latency | " + " | ".join(f"in flight {k}" for k in IN_FLIGHT)
          + " | bound | best / bound | best x latency |")  # fmt: skip
    print("|---" * (6 + len(IN_FLIGHT)) + "|")
    for name in given.networks:
        with tempfile.TemporaryDirectory() as scratch:
            artifact = prepared(name, given.boards, rate, Path(scratch))
            with (
                testbed(TestbedOptions(given.boards, rate)) as bed,
                Cluster.connect((bed.host, bed.port), bed.key, given.boards) as cluster,
                cluster.deploy(artifact) as deployment,
            ):
                print(row(name, deployment, given.frames, rate), flush=True)


def prepared(name: str, boards: int, rate: float, scratch: Path) -> Artifact:
    """The network cut for boards."""
    network = find_network(name, {}, scratch)
    mod, target = load_model(network.path, network.shapes), host_target()
    mod = flexpie_tvm.FlexPiePreOptimize(target)(mod)
    mod = flexpie_tvm.FlexPiePartition(flexpie_tvm.ClusterSpec(boards, rate))(mod)
    return flexpie_tvm.build(mod, target, scratch / "cut.flexpie")


def row(name: str, deployment: Deployment, frames: int, rate: float) -> str:
    """A line of the table."""
    rng = np.random.default_rng(1)
    ports = deployment.artifact.inputs
    inputs = {p.name: rng.normal(size=p.shape).astype(p.dtype) for p in ports}
    latency = median(deployment.latency(inputs, max(5, frames // 4)))
    rates = []
    for in_flight in IN_FLIGHT:
        list(deployment.stream(repeat(inputs, 3), in_flight))
        rates.append(frame_rate(deployment, inputs, frames, in_flight=in_flight))
    deployment.reset_stats()
    deployment.latency(inputs, frames // 4)
    step = max(board["run_ns"] / board["frames"] / 1e6 for board in deployment.stats())
    wire = max(wire_ms(kind, rate) for kind in (ports, deployment.artifact.outputs))
    bound, best = 1e3 / max(step, wire), max(rates)
    cells = [f"{latency:.1f}", f"{1e3 / latency:.1f}", *(f"{r:.1f}" for r in rates)]
    cells += [f"{bound:.1f}", f"{best / bound:.2f}", f"{best * latency / 1e3:.2f}"]
    return f"| {name} | {' | '.join(cells)} |"


def wire_ms(ports: tuple[Port, ...], rate: float) -> float:
    """Milliseconds of the host's link for what all boards get, or give, of a frame."""
    held = sum(
        region.volume * np.dtype(port.dtype).itemsize
        for port in ports
        for region in port.regions
        if not region.is_empty
    )
    return held * 8e3 / rate


if __name__ == "__main__":
    main()
