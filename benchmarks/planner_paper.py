# SPDX-License-Identifier: Apache-2.0
"""The paper's grid, predicted: networks x links x topologies x boards, six ways of cutting.

Score = best/own, averaged per number of boards (FlexPie, figures 8 and 9). Costs come from
estimators trained on the authors' measurements where these cover the operator.
Usage: python benchmarks/planner_paper.py DATA_FOLDER [--cache FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from c6678 import C6678
from flexpie_tvm.plan import BASELINES, ClusterSpec, Planner
from planner_models import model_graph

NETWORKS = ("mobilenet", "resnet18", "resnet101", "bert")
PAPER = {
    4: {"OutC": 0.45, "InH/InW": 0.81, "2D-grid": 0.86, "fused": 0.90, "layerwise": 0.90},
    3: {"OutC": 0.42, "InH/InW": 0.89, "2D-grid": 0.62, "fused": 0.92, "layerwise": 0.92},
}


def predict(graph, cluster: ClusterSpec, cost: C6678) -> dict[str, float]:
    """Milliseconds of the six ways."""
    planner = Planner(graph, cluster, cost, widths=(16, 128, 512))
    times = {name: planner.baseline(name).cost for name in BASELINES}
    return {**times, "auto": planner.best().cost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cost, rows = C6678(options.data), []
    for name in NETWORKS:
        graph = model_graph(name, options.cache)
        for boards in (4, 3):
            for rate in (5e9, 1e9, 0.5e9):
                for topology in ("ring", "ps", "mesh"):
                    start = time.process_time()
                    times = predict(graph, ClusterSpec(boards, rate, 0.0, topology), cost)
                    scores = {k: times["auto"] / t for k, t in times.items()}
                    rows.append([name, boards, rate / 1e9, topology, times, scores])
                    text = " ".join(f"{k} {t:.2f} ({scores[k]:.2f})" for k, t in times.items())
                    seconds = time.process_time() - start
                    print(f"{name} {boards} {rate / 1e9:g} Gb/s {topology}: {text} "
                          f"[{seconds:.1f} s]", flush=True)
    for boards in (4, 3):
        mine = [r[5] for r in rows if r[1] == boards]
        for way in BASELINES:
            mean = sum(scores[way] for scores in mine) / len(mine)
            print(f"{boards} boards, {way}: {mean:.2f} (paper {PAPER[boards][way]:.2f})")
    if options.json:
        options.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
