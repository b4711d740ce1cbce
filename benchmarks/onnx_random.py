#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random ONNX nodes of every kind and opset and small graphs, by our importer and by onnxruntime.

python benchmarks/onnx_random.py --nodes 500 --graphs 50
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.testing.random_onnx import (
    KINDS,
    Outcome,
    check_graph,
    check_nodes,
    random_graph,
    random_node,
)
from flexpie_tvm.testing.random_onnx.table import OPSETS

#: Nodes that are compiled together.
TOGETHER = 25


def main() -> int:
    """Run the command line; 1 if an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--seed", type=int, default=0, help="another one draws others")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help="all by default")
    parser.add_argument("--opsets", nargs="*", type=int, default=list(OPSETS))
    parser.add_argument("--graphs", type=int, default=0, help="how many graphs (default none)")
    parser.add_argument("--optimized", action="store_true", help="graphs pre-optimized as well")
    options = parser.parse_args()
    nodes = list(node_outcomes(options))
    graphs = list(graph_outcomes(options))
    if nodes:
        print(table(nodes))
    if graphs:
        total = Counter(o.what for o in graphs)
        print("graphs: " + ", ".join(f"{count} {what}" for what, count in total.items()))
    return int(any(o.what == "wrong" for o in [*nodes, *graphs]))


def node_outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    """What becomes of nodes, of which as many as one opset's are compiled together."""
    for drawn in range(0, options.nodes, TOGETHER):
        opset = options.opsets[(drawn // TOGETHER) % len(options.opsets)]
        begin = options.seed * 1_000_003 + drawn
        seeds = range(begin, begin + min(TOGETHER, options.nodes - drawn))
        kinds = options.kinds
        for outcome in check_nodes([random_node(kinds[s % len(kinds)], opset, s) for s in seeds]):
            tell(outcome)
            yield outcome


def graph_outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    """What becomes of graphs, each compiled by itself."""
    for k in range(options.graphs):
        opset = options.opsets[k % len(options.opsets)]
        graph = random_graph(opset, options.seed * 1_000_003 + k)
        outcome = check_graph(graph, host_target() if options.optimized else "")
        tell(outcome)
        yield outcome


def tell(outcome: Outcome) -> None:
    """One line about a draw that is not right."""
    if outcome.what not in ("right", "invalid"):
        print(f"{outcome.what}: {outcome.draw}: {outcome.why}", flush=True)


def table(found: list[Outcome]) -> str:
    """Numbers of each outcome, by operator."""
    whats = ("right", "refused", "uncompiled", "wrong", "invalid")
    counts = Counter((o.draw.operator, o.what) for o in found)
    lines = ["| operator | " + " | ".join(whats) + " |", "|---" * (len(whats) + 1) + "|"]
    for operator in sorted({o.draw.operator for o in found}):
        numbers = " | ".join(str(counts[operator, what] or "") for what in whats)
        lines.append(f"| {operator} | {numbers} |")
    total = Counter(o.what for o in found)
    return "\n".join([*lines, "| all | " + " | ".join(str(total[w]) for w in whats) + " |"])


if __name__ == "__main__":
    sys.exit(main())
