#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time networks on one core of this machine: ours, TVM and onnxruntime, in turns.

    python benchmarks/one_core.py mobilenet resnet18 --target "llvm -mcpu=core-avx2"

A figure is the median of processor time, which other programs disturb less than time on the clock.
onnxruntime takes the instructions of this machine, whatever the target.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.lab.counting.subject import CountedNetwork, subject_of
from flexpie_tvm.relay.targets import host_target

NETWORKS = (
    "mobilenet", "resnet18", "resnet50", "vgg19", "squeezenet", "inception_v1", "ppocr_det", "bert",
)  # fmt: skip


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, help="Names or ONNX files.")
    parser.add_argument("--target", default=host_target(), help="TVM's.")
    parser.add_argument("--core", type=int, default=0, help="To which all are bound.")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    logging.getLogger("autotvm").setLevel(logging.ERROR)  # that nothing was tuned is no news
    os.sched_setaffinity(0, {options.core})
    print("| network | ours | TVM | onnxruntime | ours / onnxruntime |\n|---|---|---|---|---|")
    for name in options.networks:
        with tempfile.TemporaryDirectory() as scratch:
            subject = subject_of(find_network(name, {}, Path(scratch)), Path(scratch))
            runs = [
                ours(subject, options.target, Path(scratch)),
                stock(subject, options.target, Path(scratch)),
                onnxruntime(subject),
            ]
            ms = in_turns(runs, options.rounds)
        figures = " | ".join(f"{x:.2f}" for x in (*ms, ms[0] / ms[2]))
        print(f"| {name} | {figures} |", flush=True)


def ours(subject: CountedNetwork, target: str, folder: Path) -> Callable[[], object]:
    """One inference by our kernels."""
    from flexpie_tvm.codegen.merge import input_name
    from flexpie_tvm.passes import FlexPiePreOptimize
    from flexpie_tvm.runtime.whole import build_alone

    artifact = build_alone(FlexPiePreOptimize(target)(subject.module), target, folder)
    names = [port.name for port in artifact.inputs]
    values = {input_name(k): subject.inputs[name] for k, name in enumerate(names)}
    return _loaded(artifact.library(0), values)


def stock(subject: CountedNetwork, target: str, folder: Path) -> Callable[[], object]:
    """One inference by TVM alone."""
    from flexpie_tvm.runtime import build_single

    return _loaded(build_single(subject.module, target, folder / "tvm.so"), subject.inputs)


def _loaded(path: Path, inputs) -> Callable[[], object]:
    import tvm
    from tvm.contrib import graph_executor

    library = tvm.runtime.load_module(str(path))
    graph = graph_executor.GraphModule(library["default"](tvm.cpu()))
    for name, value in inputs.items():
        graph.set_input(name, value)
    return graph.run


def onnxruntime(subject: CountedNetwork) -> Callable[[], object]:
    """One inference by onnxruntime with one thread."""
    import onnxruntime as engine

    options = engine.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # old files keep weights that nothing uses
    session = engine.InferenceSession(str(subject.path), options, ["CPUExecutionProvider"])
    return lambda: session.run(None, dict(subject.inputs))


def in_turns(runs: list[Callable[[], object]], rounds: int) -> list[float]:
    """Median milliseconds of a thread, each run after one that fills the caches."""
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, own in zip(runs, found, strict=True):
            run()
            start = time.thread_time()
            run()
            own.append(1e3 * (time.thread_time() - start))
    return [median(own) for own in found]


if __name__ == "__main__":
    os.environ["TVM_NUM_THREADS"] = "1"
    main()
