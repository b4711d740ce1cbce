#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Frames a second of streams, beside one inference after the other, on links of a testbed.

    python benchmarks/stream.py --networks resnet50 ppocr_det mobilenet --boards 2 --bandwidth 1Gbps

Needs root. "bound" is the most that a stream of one frame at a time on a board could do: one frame
per longest step, which is the slowest board's computing and exchanging, or the host's link moving
all inputs or all answers. Processor time is of the best stream, per frame.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

import flexpie_tvm
from cpu_time import CpuTime
from flexpie_tvm.frontend.formats import load_model
from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.lab.testbed import Testbed, TestbedOptions, testbed
from flexpie_tvm.plan import parse_bandwidth
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Artifact, Cluster, Deployment, Port, user_cache
from flexpie_tvm.runtime.frame_rate import FrameTimes, frame_times

IN_FLIGHT = (1, 2, 4)
#: Of the best rate: how often a camera has a frame, with SPARE_IN_FLIGHT of them under way.
SPARE, SPARE_IN_FLIGHT = 0.8, 4


def main() -> None:
    """Bring a testbed up for each network, measure, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["resnet50", "mobilenet"])
    parser.add_argument("--boards", type=int, default=2)
    parser.add_argument("--bandwidth", default="1Gbps")
    parser.add_argument("--cpu", type=float, default=0.0, help="cores of a board")
    parser.add_argument("--latency", type=float, default=0.0, help="ms from board to board")
    parser.add_argument("--tracks", type=int, default=1, choices=(1, 2))
    parser.add_argument("--frames", type=int, default=60)
    given = parser.parse_args()
    rate = parse_bandwidth(given.bandwidth)
    columns = ["network", "latency", "longest step", "wire"]
    columns += [f"{count} in flight" for count in IN_FLIGHT]
    columns += [f"{SPARE:.0%} of the best rate, {SPARE_IN_FLIGHT} in flight"]
    columns += ["CPU ms: boards, host, all", "best / bound", "best x latency"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name in given.networks:
        with tempfile.TemporaryDirectory() as scratch:
            artifact = prepared(name, given.boards, rate, Path(scratch))
            with (
                testbed(
                    TestbedOptions(given.boards, rate, latency=given.latency / 1e3, cpu=given.cpu)
                ) as bed,
                Cluster.connect((bed.host, bed.port), bed.key, given.boards) as cluster,
                cluster.deploy(artifact) as deployment,
            ):
                print(row(name, deployment, bed, given), flush=True)


def prepared(name: str, boards: int, rate: float, scratch: Path) -> Artifact:
    """The network cut for boards; what was built before is taken from the cache."""
    network = find_network(name, {}, scratch)
    mod, target = load_model(network.path, network.shapes), host_target()
    mod = flexpie_tvm.FlexPiePreOptimize(target)(mod)
    mod = flexpie_tvm.FlexPiePartition(flexpie_tvm.ClusterSpec(boards, rate))(mod)
    return flexpie_tvm.build(mod, target, scratch / "cut.flexpie", cache=user_cache(os.environ))


def row(name: str, deployment: Deployment, bed: Testbed, given: argparse.Namespace) -> str:
    """A line of the table; times are milliseconds."""
    frames, tracks, rate = given.frames, given.tracks, parse_bandwidth(given.bandwidth)
    rng = np.random.default_rng(1)
    ports = deployment.artifact.inputs
    inputs = {p.name: rng.normal(size=p.shape).astype(p.dtype) for p in ports}
    deployment.latency(inputs, 5)
    deployment.reset_stats()
    latency = median(deployment.latency(inputs, frames))
    step = max(board["run_ns"] / board["frames"] / 1e6 for board in deployment.stats())
    wire = max(wire_ms(kind, rate) for kind in (ports, deployment.artifact.outputs))
    streams, spent = [], []
    for in_flight in IN_FLIGHT:
        how = {"in_flight": in_flight, "tracks": tracks}
        frame_times(deployment, inputs, 4, **how)
        cpu = CpuTime(bed)
        streams.append(frame_times(deployment, inputs, frames, **how))
        spent.append([ms / frames for ms in cpu.spent()])
    rates = [stream.frames_per_second for stream in streams]
    best = max(rates)
    camera = frame_times(
        deployment,
        inputs,
        frames,
        in_flight=SPARE_IN_FLIGHT,
        every=1 / (SPARE * best),
        tracks=tracks,
    )
    cells = [f"{latency:.1f}", f"{step:.1f}", f"{wire:.1f}", *map(told, streams), told(camera)]
    cells += [", ".join(f"{ms:.1f}" for ms in spent[rates.index(best)])]
    cells += [f"{best * max(step, wire) / 1e3:.2f}", f"{best * latency / 1e3:.2f}"]
    return f"| {name} | {' | '.join(cells)} |"


def told(stream: FrameTimes) -> str:
    """Frames a second, and how long a frame takes: the median and what 95 of 100 do not exceed."""
    times = f"{stream.quantile(0.5):.1f}, {stream.quantile(0.95):.1f}"
    return f"{stream.frames_per_second:.1f}/s ({times})"


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
