#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random faults of boards on this machine, and what came of each: see flexpie_tvm.testing.faults.

python benchmarks/faults.py --faults 1000 --results faults.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tvm

import flexpie_tvm
from flexpie_tvm.frontend.formats import load_model, model_inputs
from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import local_boards, run_whole
from flexpie_tvm.testing.faults import KINDS, Outcome, board_services, draw, try_fault


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--boards", type=int, default=3)
    parser.add_argument("--deadline", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=21000)
    parser.add_argument("--network", default="squeezenet", help="Name or ONNX file.")
    parser.add_argument("--results", type=Path, help="Gets a line of JSON for each fault.")
    options = parser.parse_args()
    rng, key = np.random.default_rng(options.seed), f"faults-{os.getpid()}"
    outcomes: list[tuple[str, Outcome]] = []
    with tempfile.TemporaryDirectory() as scratch, local_boards(1) as tracker:
        artifact, inputs, answers = prepared(options, Path(scratch))
        with board_services(tracker, key, options.boards, options.port) as services:
            for number in range(options.faults):
                fault = draw(rng, options.boards, options.deadline)
                outcome = try_fault(
                    fault, artifact, inputs, answers, tracker, key, services, options.deadline
                )
                outcomes.append((fault.kind, outcome))
                row = json.dumps({"number": number, **asdict(fault), **asdict(outcome)})
                print(row, flush=True)
                if options.results:
                    with options.results.open("a") as file:
                        print(row, file=file)
    print(table(outcomes))


def prepared(options: argparse.Namespace, scratch: Path) -> tuple:
    """An artifact, inputs, and what one board answers."""
    network = find_network(options.network, {}, scratch)
    mod, target = load_model(network.path, network.shapes), host_target()
    cluster = flexpie_tvm.ClusterSpec(options.boards)
    passes = [
        flexpie_tvm.FlexPiePreOptimize(target),
        flexpie_tvm.FlexPiePartition(cluster, "InH"),
    ]
    cut = tvm.transform.Sequential(passes)(mod)
    artifact = flexpie_tvm.build(cut, target, scratch / "cut.flexpie")
    rng = np.random.default_rng(1)
    inputs = {
        i.name: rng.normal(size=i.shape).astype(i.dtype)
        for i in model_inputs(network.path, network.shapes)
    }
    return artifact, inputs, run_whole(mod, target, inputs)


def table(outcomes: list[tuple[str, Outcome]]) -> str:
    """Counts and the longest waits for each kind of fault."""
    lines = [
        "| fault | times | wrong answers | errors | right board named | raw tracebacks | "
        "longest wait s | others free s | all registered s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        own = [outcome for name, outcome in outcomes if name == kind]
        if not own:
            continue
        errors = [o for o in own if o.error]
        lines.append(
            f"| {kind} | {len(own)} | {sum(o.wrong for o in own)} | {len(errors)} | "
            f"{sum(o.named for o in errors)} | {sum(o.raw for o in own)} | "
            f"{max(o.waited for o in own):.1f} | {max(o.free for o in own):.1f} | "
            f"{max(o.registered for o in own):.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
