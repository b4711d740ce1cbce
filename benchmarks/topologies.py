# SPDX-License-Identifier: Apache-2.0
"""One model over mesh, ring and server: bytes, latency, where the time goes.

All boards are local and their links are the loopback device, so this measures what passing
messages on costs the boards themselves, not what slow links would add. The topologies are
deployed in turns on the same boards, several times; all answers must be equal bit for bit.

    python benchmarks/topologies.py --boards 4 --schemes InH OutC --topologies mesh ring ps
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

import flexpie_tvm
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Artifact, Cluster, local_boards
from flexpie_tvm.runtime.timeline import per_run
from flexpie_tvm.testing.networks import paddle_model

SHAPE = (1, 3, 48, 192)  # of PP-OCRv4's text direction classifier
PARTS = ("compute", "pack", "wait", "wire")
HEADER = (
    "| scheme | topology | ms | min | max | bytes exchanged | bytes passed on "
    "| compute | pack | wait | wire |"
)


def main() -> None:
    """Print a Markdown table; times are milliseconds, parts are of the slowest board."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=4)
    parser.add_argument("--schemes", nargs="+", default=["InH"])
    parser.add_argument("--topologies", nargs="+", default=["mesh", "ring", "ps"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=20)
    options = parser.parse_args()
    whole = flexpie_tvm.load_onnx(paddle_model("ppocr_cls"), {"x": SHAPE})
    optimized = flexpie_tvm.FlexPiePreOptimize(host_target())(whole)
    inputs = {"x": np.random.default_rng(0).normal(size=SHAPE).astype("float32")}
    print(f"{os.cpu_count()} cores, {options.boards} local boards, one thread each")
    print(HEADER, "|---" * 11 + "|", sep="\n")
    with tempfile.TemporaryDirectory() as scratch, local_boards(options.boards) as local:
        for scheme in options.schemes:
            artifacts = [
                build(optimized, options.boards, scheme, topology, Path(scratch))
                for topology in options.topologies
            ]
            with Cluster.connect((local.host, local.port), local.key, options.boards) as cluster:
                measure(artifacts, cluster, inputs, options.rounds, options.repeat)


def build(optimized, boards: int, scheme: str, topology: str, scratch: Path) -> Artifact:
    """The artifact of one configuration."""
    cluster = flexpie_tvm.ClusterSpec(boards, topology=topology)
    annotated = flexpie_tvm.FlexPiePartition(cluster, scheme)(optimized)
    return flexpie_tvm.build(annotated, host_target(), scratch / f"{scheme}-{topology}.flexpie")


def measure(
    artifacts: list[Artifact], cluster: Cluster, inputs: dict, rounds: int, repeat: int
) -> None:
    """Run all topologies of a scheme in turns; print a row for each."""
    times = {artifact.topology: [] for artifact in artifacts}
    parts, first = {}, None
    for _ in range(rounds):
        for artifact in artifacts:
            with cluster.deploy(artifact) as deployment:
                answers = [a.tobytes() for a in deployment.run(inputs)]
                deployment.reset_stats()
                times[artifact.topology] += deployment.latency(inputs, repeat)
                rows = per_run(deployment.stats())
            first = first or answers
            assert answers == first, f"{artifact.topology} answers something else"
            parts.setdefault(artifact.topology, []).append(max(rows, key=lambda row: row["run"]))
    for artifact in artifacts:
        ms, own = times[artifact.topology], parts[artifact.topology]
        means = [f"{median(row[part] for row in own):.2f}" for part in PARTS]
        print(
            f"| {artifact.scheme} | {artifact.topology} | {median(ms):.2f} | {min(ms):.2f} "
            f"| {max(ms):.2f} | {artifact.bytes_exchanged} | {artifact.bytes_forwarded} "
            f"| {' | '.join(means)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
