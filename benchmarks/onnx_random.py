#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random ONNX nodes of every kind and opset, by our importer and by onnxruntime.

python benchmarks/onnx_random.py --nodes 500
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from flexpie_tvm.testing.random_onnx import KINDS, Outcome, check_nodes, random_node
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
    options = parser.parse_args()
    found: list[Outcome] = []
    drawn = 0
    while drawn < options.nodes:
        opset = options.opsets[(drawn // TOGETHER) % len(options.opsets)]
        count = min(TOGETHER, options.nodes - drawn)
        seeds = range(options.seed * 1_000_003 + drawn, options.seed * 1_000_003 + drawn + count)
        kinds = options.kinds
        draws = [random_node(kinds[seed % len(kinds)], opset, seed) for seed in seeds]
        for outcome in check_nodes(draws):
            found.append(outcome)
            if outcome.what not in ("right", "invalid"):
                print(f"{outcome.what}: {outcome.draw}: {outcome.why}", flush=True)
        drawn += count
    print(table(found))
    return int(any(o.what == "wrong" for o in found))


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
