# SPDX-License-Identifier: Apache-2.0
"""Uniform schemes on local boards: error, latency against one board, bytes, build seconds.

Every configuration is timed in turns with one board that runs the same model, compiled by
TVM alone, over the same RPC path and with the same number of threads; the table gives the
ratio of the medians. More boards than cores share the cores, so their ratios say nothing
about real boards.

    python benchmarks/uniform_schemes.py --boards 2 4 --repeat 15
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

import flexpie_tvm
from flexpie_tvm.cli.options import host_target
from flexpie_tvm.runtime import (
    Cluster,
    SingleBoard,
    build_single,
    local_boards,
    relative_error,
)
from flexpie_tvm.runtime.deployment import timed
from flexpie_tvm.testing.networks import light_model, paddle_model

SCHEMES = ("InH", "InW", "OutC", "2D-grid", "Single")
HEADER = (
    "| model | boards | scheme | largest error | ms | one board ms | x one | bytes | build s |"
)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--schemes", nargs="+", default=list(SCHEMES))
    parser.add_argument("--models", nargs="+", default=["ppocr_det", "resnet50"])
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, one thread per board")
    print(HEADER, "|---" * 9 + "|", sep="\n")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.models:
            measure_model(name, options, Path(scratch))


def measure_model(name: str, options: argparse.Namespace, scratch: Path) -> None:
    """All configurations of one model."""
    target = host_target()
    if name == "ppocr_det":
        path, shapes = paddle_model(name), {"x": (1, 3, 640, 640)}
    else:
        path, shapes = light_model(name, scratch), {}
    whole = flexpie_tvm.load_onnx(path, shapes)
    rng = np.random.default_rng(0)
    inputs = {
        p.name_hint: rng.normal(size=[int(n) for n in p.checked_type.shape]).astype("float32")
        for p in whole["main"].params
    }
    start = time.perf_counter()
    library = build_single(whole, target, scratch / f"{name}.so")
    print(f"| {name} | 1 | TVM | | | | | | {time.perf_counter() - start:.0f} |")
    optimized = flexpie_tvm.FlexPiePreOptimize(target)(whole)
    for count in options.boards:
        for scheme in options.schemes:
            start = time.perf_counter()
            annotated = flexpie_tvm.FlexPiePartition(count, scheme)(optimized)
            artifact = flexpie_tvm.build(annotated, target, scratch / "model.flexpie")
            seconds = time.perf_counter() - start
            row = measure(artifact, library, inputs, options.repeat)
            print(f"| {name} | {count} | {artifact.scheme} | {row} | {seconds:.0f} |", flush=True)


def measure(artifact, library: Path, inputs: dict, repeat: int) -> str:
    """One row: the artifact and one board in turns."""
    with (
        local_boards(artifact.boards) as local,
        Cluster.connect((local.host, local.port), local.key, artifact.boards) as cluster,
        cluster.deploy(artifact) as deployment,
        SingleBoard(cluster.sessions[0], library, artifact.targets[0]) as single,
    ):
        answers, expected = deployment.run(inputs), single.run(inputs)
        deployment.run(inputs)
        times = [
            (timed(lambda: deployment.run(inputs)), timed(lambda: single.run(inputs)))
            for _ in range(repeat)
        ]
    error = max(relative_error(a, b) for a, b in zip(answers, expected, strict=True))
    cut, one = (median(column) for column in zip(*times, strict=True))
    return f"{error:.1e} | {cut:.1f} | {one:.1f} | {one / cut:.2f} | {artifact.bytes_exchanged}"


if __name__ == "__main__":
    main()
