#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What plans by other costs lose on this machine's boards, as a calibration of them prices plans.

    .venv/bin/python benchmarks/regret.py --calibrated here.cost [--json FILE] [mobilenet resnet50]

Each network is planned for local boards by the packaged models, by `Analytic` and by the calibrated
model; all plans are priced by the calibrated one. Regret is what a plan takes longer than the
best of these. A line of JSON for each network and number of boards is printed, and appended to
``--json FILE``; those that are there are left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flexpie_tvm.compiler import import_model, prepare
from flexpie_tvm.cost import Analytic, Cost, load_cost
from flexpie_tvm.cost.shipped import MODELS
from flexpie_tvm.graph import Graph
from flexpie_tvm.lab.bench import find_network
from flexpie_tvm.plan import ClusterSpec, baseline_plan, best_plan, evaluate
from flexpie_tvm.relay.targets import boards_targets, host_target

NETWORKS = ("ppocr_cls", "mobilenet", "ppocr_det", "ppocr_rec", "resnet18", "resnet50")
SCHEMES = ("Single", "InH", "InW", "OutC", "2D-grid")


def main() -> None:
    """Plan, price, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--calibrated", type=Path, required=True)
    parser.add_argument("--boards", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    lines = asked.json.read_text().splitlines() if asked.json and asked.json.is_file() else []
    known = {(r["network"], r["boards"]) for r in map(json.loads, lines)}
    for record in regrets(asked.networks, asked.boards, load_cost(asked.calibrated), known):
        line = json.dumps(record)
        print(line, flush=True)
        if asked.json:
            with asked.json.open("a") as file:
                file.write(line + "\n")


def regrets(
    networks: Sequence[str], boards: Sequence[int], calibrated: Cost, known: set
) -> Iterator[dict]:
    """Milliseconds of plans, by who made them."""
    others = {path.stem: load_cost(path) for path in sorted(MODELS.glob("x86_64-*.cost"))}
    others["analytic"] = Analytic()
    for name in networks:
        if all((name, number) in known for number in boards):
            continue
        graph = _graph(name)
        for number in boards:
            if (name, number) not in known:
                said = _priced(graph, ClusterSpec(number), calibrated, others)
                yield {"network": name, "boards": number, **said}


def _priced(
    graph: Graph, cluster: ClusterSpec, calibrated: Cost, others: Mapping[str, Cost]
) -> dict[str, float]:
    plans = {"calibrated": best_plan(graph, cluster, calibrated)}
    plans |= {name: best_plan(graph, cluster, cost) for name, cost in others.items()}
    plans |= {scheme: baseline_plan(scheme, graph, cluster, calibrated) for scheme in SCHEMES}
    return {name: evaluate(graph, plan, calibrated).latency for name, plan in plans.items()}


def _graph(name: str) -> Graph:
    with tempfile.TemporaryDirectory() as scratch:
        network = find_network(name, {}, Path(scratch))
        model = import_model(network.path, dict(network.shapes))
        return prepare(model, boards_targets((host_target(),), ClusterSpec(1))).layers.graph


if __name__ == "__main__":
    main()
