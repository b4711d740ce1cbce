#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes exchanged with and without partial results, by uniform plans.

With partial results a global pool or mean over a cut map sends sums instead of the map.

    python benchmarks/partial_results.py --models ppocr_cls --boards 2 4
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from flexpie_tvm.graph import Graph
from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.plan import ClusterSpec, Plan, uniform_plan
from flexpie_tvm.relay import import_module
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.testing.networks import NETWORKS, load_network


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["ppocr_cls"], choices=NETWORKS)
    parser.add_argument("--boards", type=int, nargs="+", default=[2, 4])
    options = parser.parse_args()
    print("| network | boards | scheme | bytes | with partial results | ratio |")
    print("|---" * 6 + "|")
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            whole = load_network(name, Path(folder))
        graph = import_module(FlexPiePreOptimize(host_target())(whole)).graph
        for boards in options.boards:
            for scheme in ("InH", "InW", "2D-grid"):
                without, with_sums = (
                    bytes_exchanged(graph, uniform_plan(graph, ClusterSpec(boards), scheme, sums))
                    for sums in (False, True)
                )
                print(
                    f"| {name} | {boards} | {scheme} | {without} | {with_sums} "
                    f"| {with_sums / without:.2f} |"
                )


def bytes_exchanged(graph: Graph, plan: Plan) -> int:
    """Bytes that boards send each other in one inference."""
    return sum(
        message.region.volume * np.dtype(graph.tensors[exchange.tensor].dtype).itemsize
        for exchange in plan.geometry(graph).exchanges
        for message in exchange.messages
    )


if __name__ == "__main__":
    main()
