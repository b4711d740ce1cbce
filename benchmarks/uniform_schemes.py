# SPDX-License-Identifier: Apache-2.0
"""Uniform schemes on local boards: error, latency against one board, bytes, build seconds.

Every configuration is timed in turns with one board that runs the same model, by TVM alone, by
us and by onnxruntime, with inputs and answers on the same way and with the same number of
threads; the table gives the ratio of the medians to the fastest of them. More boards than cores
share the cores, so their ratios say nothing about real boards.

    python benchmarks/uniform_schemes.py --boards 2 4 --repeat 15
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

import flexpie_tvm
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import (
    Cluster,
    Whole,
    beside_local_boards,
    build_whole,
    engines,
    fastest,
    largest_error,
    local_boards,
)
from flexpie_tvm.runtime.latency import timed
from flexpie_tvm.testing.networks import light_model, paddle_model

SCHEMES = ("InH", "InW", "OutC", "2D-grid", "Single")
HEADER = (
    "| model | boards | scheme | largest error | ms | one board ms | fastest by | x one | bytes "
    "| build s |"
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
    print(HEADER, "|---" * 10 + "|", sep="\n")
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
    optimized = flexpie_tvm.FlexPiePreOptimize(target)(whole)
    alone = build_whole(whole, optimized, target, path, scratch)
    print(f"| {name} | 1 | | | | | | | | {time.perf_counter() - start:.0f} |")
    for count in options.boards:
        for scheme in options.schemes:
            start = time.perf_counter()
            annotated = flexpie_tvm.FlexPiePartition(count, scheme)(optimized)
            artifact = flexpie_tvm.build(annotated, target, scratch / "model.flexpie")
            seconds = time.perf_counter() - start
            row = measure(artifact, alone, inputs, options.repeat)
            print(f"| {name} | {count} | {artifact.scheme} | {row} | {seconds:.0f} |", flush=True)


def measure(artifact, whole: Whole, inputs: dict, repeat: int) -> str:
    """One row: the artifact and one board's engines in turns; the error is against TVM's."""
    with ExitStack() as stack:
        local = stack.enter_context(local_boards(artifact.boards))
        place = (local.host, local.port), local.key, artifact.boards
        cluster = stack.enter_context(Cluster.connect(*place))
        opened = {"": partial(cluster.deploy, artifact)}
        onnxruntime = partial(beside_local_boards, local)
        opened |= engines(whole, cluster.sessions[0], inputs, onnxruntime)
        ready = {name: stack.enter_context(one()) for name, one in opened.items()}
        answers = {name: [one.run(inputs) for _ in range(2)][-1] for name, one in ready.items()}
        times = {name: [] for name in ready}
        for _ in range(repeat):
            for name, one in ready.items():
                times[name].append(timed(partial(one.run, inputs)))
    medians = {name: median(ms) for name, ms in times.items()}
    cut, error = medians.pop(""), largest_error(answers[""], answers["TVM"])
    best = fastest(medians)
    return (
        f"{error:.1e} | {cut:.1f} | {medians[best]:.1f} | {best} | {medians[best] / cut:.2f} "
        f"| {artifact.bytes_exchanged}"
    )


if __name__ == "__main__":
    main()
