#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole networks under every scheme and random plans, emulated: largest errors.

Every network is cut in its two forms: laid out for x86 (blocked channels) and for ARM (plain
NCHW). Uniform schemes take turns between the forms, random plans too. Answers are compared
with the network as imported, run whole: pre-optimization is part of what is checked.

A run can be stopped and started again: what is in the results file is not done again.

    python benchmarks/any_model.py --results any_model.jsonl --report docs/any_model.md
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import tvm

from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.plan import UNIFORM, ClusterSpec, Plan, uniform_plan
from flexpie_tvm.relay import Imported, import_module
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.testing import emulate, emulate_whole
from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.networks import NETWORKS, load_network
from flexpie_tvm.testing.properties import BOARDS, relative_error
from flexpie_tvm.testing.random_graphs import random_inputs
from flexpie_tvm.testing.random_plans import random_plan

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
LIMIT = 1e-4
Form = tuple[str, tvm.IRModule, Imported]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--boards", type=int, nargs="+", default=list(BOARDS))
    parser.add_argument("--random", type=int, default=5, help="random plans per number of boards")
    parser.add_argument("--results", type=Path, default=Path("any_model.jsonl"))
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    done = read(options.results)
    with options.results.open("a") as results:
        for name in options.models:
            for record in measure(name, options, {key(r) for r in done}):
                done.append(record)
                print(json.dumps(record), file=results, flush=True)
                print(f"{name:14} {record['boards']} {record['plan']:18} {record['error']:.1e}")
    table = report(done)
    print(table)
    if options.report:
        options.report.write_text(table)
    return int(any(record["error"] > LIMIT for record in done))


def read(path: Path) -> list[dict]:
    """Records of earlier runs."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def key(record: dict) -> tuple:
    """What makes a configuration."""
    return record["model"], record["boards"], record["plan"]


def measure(name: str, options: argparse.Namespace, done: set[tuple]) -> Iterator[dict]:
    """Records of all configurations of a network that are not done yet."""
    names = [*UNIFORM, *(f"random {seed}" for seed in range(options.random))]
    left = [
        (boards, plan)
        for boards in options.boards
        for plan in names
        if (name, boards, plan) not in done
    ]
    if not left:
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = load_network(name, Path(folder))
    inputs = random_inputs(whole, 0)
    evaluator = Evaluator()
    expected = emulate_whole(whole, inputs, evaluator)
    forms = [form(whole, "x86", host_target()), form(whole, "arm", ARM)]
    for boards, plan_name in left:
        start = time.perf_counter()
        layout, mod, imported = forms[(names.index(plan_name) + boards) % len(forms)]
        plan = make_plan(plan_name, imported, boards)
        found = emulate(plan, mod, inputs, evaluator)
        yield {
            "model": name,
            "boards": boards,
            "plan": plan_name,
            "layout": layout,
            "error": relative_error(found, expected),
            "seconds": round(time.perf_counter() - start, 2),
            "inputs": {k: list(v.shape) for k, v in inputs.items()},
        }


def form(whole: tvm.IRModule, layout: str, target: str) -> Form:
    """A network laid out for a target, and its layer graph."""
    mod = FlexPiePreOptimize(target)(whole)
    return layout, mod, import_module(mod)


def make_plan(name: str, imported: Imported, boards: int) -> Plan:
    """A uniform plan, or a random one from the seed in its name."""
    if not name.startswith("random"):
        return uniform_plan(imported.graph, ClusterSpec(boards), name)
    seed = int(name.removeprefix("random "))
    return random_plan(imported.graph, boards, SeededChoices(1000 * boards + seed))


def report(records: list[dict]) -> str:
    """A Markdown table: networks by kinds of plans, largest errors."""
    kinds = [*UNIFORM, "random"]
    lines = [
        "# Networks under every scheme and random plans, emulated",
        "",
        "Made by `benchmarks/any_model.py`. Largest error relative to the range of the answers,",
        f"over {', '.join(map(str, sorted({r['boards'] for r in records})))} boards; weights are",
        "random where the network comes with constant ones.",
        "`random`: every layer draws a scheme, uneven cut points, a mode, partial results.",
        "",
        f"| network | inputs | plans | {' | '.join(kinds)} |",
        "|---" * (3 + len(kinds)) + "|",
    ]
    for name in dict.fromkeys(r["model"] for r in records):
        mine = [r for r in records if r["model"] == name]
        shape = ", ".join("x".join(map(str, s)) for s in mine[0]["inputs"].values())
        worst = (
            max((r["error"] for r in mine if r["plan"].startswith(kind)), default=float("nan"))
            for kind in kinds
        )
        cells = " | ".join("not run" if error != error else f"{error:.1e}" for error in worst)
        lines.append(f"| {name} | {shape} | {len(mine)} | {cells} |")
    total = max((r["error"] for r in records), default=float("nan"))
    lines += ["", f"{len(records)} plans in all, largest error {total:.1e}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
