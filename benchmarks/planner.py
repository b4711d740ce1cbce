# SPDX-License-Identifier: Apache-2.0
"""Search times of the planner: networks on 4 boards, and growth with layers and boards.

Prints one row per search: seconds of this process (one core), states kept, and the proof.
Usage: python benchmarks/planner.py [--cache FOLDER] [--growth] [NETWORK ...]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from flexpie_tvm.cost import Analytic
from flexpie_tvm.graph import Graph, Op, Tensor, fuse_layers
from flexpie_tvm.plan import ClusterSpec, Planner
from flexpie_tvm.rules import rule_for
from planner_models import NAMES, model_graph

TARGETS = {
    "mobilenet": 0.3, "resnet18": 0.3, "resnet101": 1.0, "bert": 1.0, "inception_v3": 5.0,
    "densenet121": 5.0, "ppocr_det": 5.0,
}


def conv_chain(layers: int, channels: int = 64, size: int = 56) -> Graph:
    """A chain of equal 3x3 convolutions."""
    shape = (1, channels, size, size)
    tensors, ops = [Tensor(0, "input", shape, "float32", "input")], []
    attrs = {
        "strides": (1, 1), "dilation": (1, 1), "padding": (1,) * 4, "groups": 1,
        "channels": channels, "kernel_size": (3, 3), "data_layout": "NCHW",
        "kernel_layout": "OIHW", "out_layout": "",
    }
    last = 0
    for k in range(layers):
        weight = Tensor(len(tensors), f"w{k}", (channels, channels, 3, 3), "float32", "constant")
        tensors.append(weight)
        op = Op(k, f"conv2d_{k}", "nn.conv2d", attrs, (last, weight.id), (len(tensors),),
                (shape, weight.shape), (shape,))
        axes = rule_for(op).axes(op, [tensors[0].axes] * 2)
        last = len(tensors)
        tensors.append(Tensor(last, op.name, shape, "float32", "op", axes))
        ops.append(op)
    graph = Graph.make(tuple(tensors), tuple(ops), (0,), (last,))
    return fuse_layers(graph, lambda op: rule_for(op).pointwise)


def timed(graph: Graph, boards: int, repeats: int):
    """Least seconds of several searches from nothing, and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        found = Planner(graph, ClusterSpec(boards), Analytic()).best()
        seconds.append(time.process_time() - start)
    return min(seconds), found


def row(name: str, layers: int, boards: int, seconds: float, found, target: str) -> None:
    proof = "exact" if found.exact else f"gap {found.cost / found.bound - 1:.1%}"
    print(
        f"{name:14}{layers:7}{boards:7}{seconds:9.3f} s {target:>7}{found.states:10} states"
        f"{found.widest:7} widest{found.cost:10.2f} ms  {proof}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--cache", type=Path, help="folder that keeps imported graphs")
    parser.add_argument("--growth", action="store_true", help="chains instead of networks")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.growth:
        for layers, boards in (
            (10, 4), (100, 4), (1000, 4), (100, 2), (100, 8), (100, 16), (100, 64), (1000, 64),
        ):
            seconds, found = timed(conv_chain(layers), boards, 1)
            row("chain", layers, boards, seconds, found, "<30" if layers * boards > 4000 else "")
        return
    for name in options.names:
        graph = model_graph(name, options.cache)
        seconds, found = timed(graph, 4, options.repeats)
        row(name, len(graph.layers), 4, seconds, found, f"<{TARGETS[name]}")


if __name__ == "__main__":
    main()
