# SPDX-License-Identifier: Apache-2.0
"""The paper's grid, predicted: networks x links x topologies x boards, six ways of cutting.

Score = best/own, averaged per number of boards (FlexPie, figures 8 and 9). Costs come from
estimators trained on the authors' measurements where these cover the operator, `Analytic`
elsewhere; how much is covered is printed first. Prints Markdown.
Usage: python benchmarks/planner_paper.py DATA_FOLDER [--cache FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from c6678 import C6678, FAMILIES
from flexpie_tvm.graph import Graph, whole
from flexpie_tvm.plan import BASELINES, ClusterSpec, Planner
from flexpie_tvm.plan.predict.work import conv_type
from flexpie_tvm.rules import rule_for
from planner_models import model_graph

NETWORKS = ("mobilenet", "resnet18", "resnet101", "bert")
BOARDS, RATES, TOPOLOGIES = (4, 3), (5.0, 1.0, 0.5), ("ring", "ps", "mesh")
WAYS = (*BASELINES, "auto")
PAPER = {
    4: {"OutC": 0.45, "InH/InW": 0.81, "2D-grid": 0.86, "fused": 0.90, "layerwise": 0.90},
    3: {"OutC": 0.42, "InH/InW": 0.89, "2D-grid": 0.62, "fused": 0.92, "layerwise": 0.92},
}


def coverage(graph: Graph) -> tuple[int, int, float]:
    """Layers whose tiles the measurements cover, all layers, and the covered share of FLOPs."""
    covered, flops, total = 0, 0, 0
    for layer in graph.layers:
        op = graph.ops[layer.anchor]
        work = rule_for(op).flops(op, whole(op.out_shape)) if len(op.outputs) == 1 else 0
        kernel = tuple(op.attrs.get("kernel_size") or ())
        family = conv_type(op, kernel)
        known = family in FAMILIES.values() and (family == "pointwise" or kernel == (3, 3))
        covered += known
        flops += work * known
        total += work
    return covered, len(graph.layers), flops / total


def predict(graph: Graph, cluster: ClusterSpec, cost: C6678) -> tuple[dict[str, float], float]:
    """Milliseconds of the six ways, and the best plan's gap to its bound."""
    planner = Planner(graph, cluster, cost, widths=(8, 64, 512))
    times = {name: planner.baseline(name).cost for name in BASELINES}
    best = planner.best()
    return {**times, "auto": best.cost}, best.cost / best.bound - 1


def row(cells: Iterable) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", default=NETWORKS)
    parser.add_argument("--cache", type=Path, help="folder that keeps imported graphs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cost, results = C6678(options.data), []
    graphs = {name: model_graph(name, options.cache) for name in options.names}
    print("| network | layers covered | share of FLOPs covered |\n|---|---|---|")
    for name, graph in graphs.items():
        covered, layers, share = coverage(graph)
        print(row([name, f"{covered} of {layers}", f"{share:.0%}"]))
    print(f"\n{row(['network', 'boards', 'Gb/s', 'topology', *WAYS, 'gap'])}\n|{'---|' * 11}")
    for name, graph in graphs.items():
        for boards in BOARDS:
            for rate in RATES:
                for topology in TOPOLOGIES:
                    start = time.process_time()
                    cluster = ClusterSpec(boards, rate * 1e9, 0.0, topology)
                    times, gap = predict(graph, cluster, cost)
                    scores = {way: times["auto"] / ms for way, ms in times.items()}
                    results.append([name, boards, rate, topology, times, scores])
                    cells = [f"{times[way]:.2f} ({scores[way]:.2f})" for way in WAYS]
                    print(row([name, boards, f"{rate:g}", topology, *cells, f"{gap:.1%}"]),
                          flush=True)
                    seconds = time.process_time() - start
                    print(name, boards, rate, topology, f"{seconds:.1f} s", file=sys.stderr)
    print(f"\n{row(['mean score', *WAYS])}\n|{'---|' * (len(WAYS) + 1)}")
    for boards in BOARDS:
        mine = [scores for _, n, _, _, _, scores in results if n == boards]
        means = [f"{sum(s[way] for s in mine) / len(mine):.2f}" for way in WAYS]
        print(row([f"{boards} boards", *means]))
        print(row([f"{boards} boards, the paper", *(f"{PAPER[boards][w]:.2f}" for w in BASELINES),
                   "1.00"]))
    if options.json:
        options.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
