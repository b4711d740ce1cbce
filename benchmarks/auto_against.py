#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The planner's plan against one board and every uniform way, measured on local boards.

    python benchmarks/auto_against.py build --work auto       # compiles all ways
    python benchmarks/auto_against.py measure --work auto       # on an idle machine: minutes
    python benchmarks/auto_against.py report --work auto

All ways of a case are deployed at once and run in turns, a new order each round. ``auto`` is
told against each other way by the median of the rounds' ratios, and against the one where that
is greatest. Ways with equal plans are one. What is in ``built.jsonl`` and ``measured.jsonl`` of
the folder is not done again. Costs are those of ``flexpie plan --local``, or ``--cost FILE``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

from auto_models import NAMES, network
from flexpie_tvm.cli.costs import cost_model
from flexpie_tvm.cli.options import PlanOptions
from flexpie_tvm.cli.own_costs import with_own_costs
from flexpie_tvm.cost import Cost
from flexpie_tvm.lab.bench.prepare import BenchModel, CompiledWay
from flexpie_tvm.lab.tuning import Tried, fastest_of
from flexpie_tvm.plan import ClusterSpec, finalists
from flexpie_tvm.plan.predict.evaluate import taking_part
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import (
    BuildCache,
    Cluster,
    largest_error,
    load_artifact,
    local_boards,
    user_cache,
)
from flexpie_tvm.runtime.latency import timed
from flexpie_tvm.runtime.local import as_local

AUTO, ALONE = "auto", "Single"
WAYS = (ALONE, "InH", "InW", "OutC", "2D-grid", "InC", AUTO)
GOAL, TOLERANCE = 0.03, 1e-4
WARM_UP, LEAST, MOST = 5, 61, 401
#: Plans of ``flexpie plan --try``, and the rounds that choose among them; the others judge.
FINALISTS, TRIAL = 4, 21
GIGABYTES = 8


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("build", "measure", "report"))
    parser.add_argument("--work", type=Path, required=True, help="folder of all that is made")
    parser.add_argument("--models", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--boards", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--cost", help="cost model, instead of this machine's own")
    parser.add_argument("--seconds", type=float, default=15.0, help="of measuring a case")
    parser.add_argument("--minutes", type=float, default=1e9, help="no case is begun later")
    options = parser.parse_args()
    if options.what == "build":
        build(options)
    elif options.what == "measure":
        measure(options)
    print(report(read(options.work / "measured.jsonl")))
    return 0


def read(path: Path) -> list[dict]:
    """Records of earlier runs; of a case the last one."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return list({key(record): record for record in map(json.loads, lines)}.values())


def key(record: dict) -> tuple[str, int]:
    """What makes a case."""
    return record["model"], record["boards"]


def cases(options: argparse.Namespace, done: list[dict]) -> Iterator[tuple[str, int]]:
    """Cases that are asked for and are not done."""
    known, until = {key(record) for record in done}, time.monotonic() + 60 * options.minutes
    for case in product(options.models, options.boards):
        if case not in known and time.monotonic() < until:
            yield case


def keep(record: dict, path: Path) -> None:
    """Add a record to a file."""
    with path.open("a") as file:
        print(json.dumps(record), file=file, flush=True)


def own_cost(boards: int, file: str | None) -> Cost:
    """What ``flexpie plan --local`` plans so many boards with."""
    options = PlanOptions({}, boards, cost=(file,) if file else ())
    options = with_own_costs(options, 1, user_cache(os.environ))
    return cost_model(options.cost, options.cluster(), [host_target()], 1)


def build(options: argparse.Namespace) -> None:
    """Plan and compile all ways of the cases that are not built."""
    work, models = options.work, {}
    (work / "models").mkdir(parents=True, exist_ok=True)
    cache, target = BuildCache(work / "kernels", GIGABYTES << 30), host_target()
    for name, boards in cases(options, read(work / "built.jsonl")):
        if name not in models:
            found = network(name, work / "models")
            models[name] = BenchModel(found, target, work / "artifacts", lambda _: None, cache)
        cost, cluster = own_cost(boards, options.cost), as_local(ClusterSpec(boards))
        model, ways, start = models[name], {}, time.perf_counter()
        for way in options.ways:
            made = model.plan(way, cluster, cost)
            ways[way] = told(made)
        best = finalists(made.graph, cluster, cost, FINALISTS)
        tried = [told(model.plan(p.scheme, cluster, cost, p)) for p in best]
        seconds = round(time.perf_counter() - start, 1)
        record = {"model": name, "boards": boards, "cost": cost.name, "build_s": seconds}
        keep({**record, "ways": ways, "tried": tried}, work / "built.jsonl")
        print(f"{name}, {boards} boards: built in {seconds} s", file=sys.stderr, flush=True)


def told(made: CompiledWay) -> dict:
    """What a record says of a plan."""
    return {
        "artifact": made.artifact.path.name,
        "predicted": made.predicted_ms,
        "boards": len(taking_part(made.plan.geometry(made.graph))),
        "bytes": made.artifact.bytes_exchanged,
    }


def measure(options: argparse.Namespace) -> None:
    """Time all ways of the cases that are built and not measured."""
    work = options.work
    built = {key(record): record for record in read(work / "built.jsonl")}
    for case in cases(options, read(work / "measured.jsonl")):
        if case not in built:
            continue
        with (
            local_boards(case[1]) as local,
            Cluster.connect((local.host, local.port), local.key, case[1]) as cluster,
        ):
            record = times(built[case], cluster, work / "artifacts", options.seconds)
        keep(record, work / "measured.jsonl")
        print(row(record), file=sys.stderr, flush=True)


def times(built: dict, cluster: Cluster, folder: Path, seconds: float) -> dict:
    """A case's record with milliseconds of every round."""
    names = dict.fromkeys(way["artifact"] for way in (*built["ways"].values(), *built["tried"]))
    found: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        artifacts = {name: load_artifact(folder / name) for name in names}
        ready = {
            name: stack.enter_context(cluster.deploy(artifact))
            for name, artifact in artifacts.items()
        }
        rng = np.random.default_rng(0)
        ports = next(iter(artifacts.values())).inputs
        inputs = {p.name: rng.normal(size=p.shape).astype(p.dtype) for p in ports}
        expected = ready[built["ways"][ALONE]["artifact"]].run(inputs)
        errors = {
            name: largest_error([one.run(inputs) for _ in range(WARM_UP)][-1], expected)
            for name, one in ready.items()
        }
        if max(errors.values()) > TOLERANCE:
            raise SystemExit(f"{built['model']}: answers differ by {max(errors.values()):.1e}")
        order, shuffle, start = list(ready), random.Random(0).shuffle, time.perf_counter()
        for turn in range(MOST):
            if turn >= LEAST and time.perf_counter() - start > seconds:
                break
            shuffle(order)
            for name in order:
                found[name].append(timed(partial(ready[name].run, inputs)))
    return {**built, "ms": found, "load": os.getloadavg()[0]}


def figures(record: dict) -> dict:
    """What a row of the table tells of a case: of rounds that chose nothing."""
    ms = {name: values[TRIAL:] for name, values in record["ms"].items()}
    ways = {way: one["artifact"] for way, one in record["ways"].items()}
    others = {way: name for way, name in ways.items() if way != AUTO}
    first = [Tried(one, median(record["ms"][one["artifact"]][:TRIAL])) for one in record["tried"]]
    tried = fastest_of(first).plan
    slower = {}
    for kind, own in (("auto", ways[AUTO]), ("tried", tried["artifact"])):
        ratios = {way: _ratio(ms[own], ms[name]) for way, name in others.items()}
        best = max(ratios, key=ratios.__getitem__)
        slower[kind] = best, ratios[best] - 1
    return {
        "ms": {way: median(ms[name]) for way, name in ways.items()},
        "predicted": {way: one["predicted"] for way, one in record["ways"].items()},
        "slower": slower,
        "boards": {"auto": record["ways"][AUTO]["boards"], "tried": tried["boards"]},
        "tried_ms": median(ms[tried["artifact"]]),
    }


def _ratio(own: list[float], other: list[float]) -> float:
    """The median of the rounds' ratios; exactly 1 for the same plan."""
    return median(a / b for a, b in zip(own, other, strict=True))


def row(record: dict) -> str:
    """One line of the table; a way's milliseconds, and those predicted of it."""
    told, cells = figures(record), []
    for way in record["ways"]:
        cells.append(f"{told['ms'][way]:.3g} ({told['predicted'][way]:.3g})")
    for kind in ("auto", "tried"):
        best, slower = told["slower"][kind]
        cells.append(f"{told['boards'][kind]}")
        cells.append(f"{100 * slower:+.1f} ({best})")
    cells.append(f"{told['tried_ms']:.3g}")
    return f"| {record['model']} | {record['boards']} | {' | '.join(cells)} |"


def report(records: list[dict]) -> str:
    """A Markdown table, and how often the goal is met."""
    if not records:
        return "nothing is measured yet"
    head = ["network", "boards", *records[0]["ways"]]
    head += ["boards of auto", "auto slower than the best by %", "boards tried", "tried, by %"]
    head += ["tried ms"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *map(row, records), ""]
    found = [figures(record) for record in records]
    for kind in ("auto", "tried"):
        slower = [one["slower"][kind][1] for one in found]
        met = sum(value <= GOAL for value in slower)
        worst = f"worst {100 * max(slower):+.1f} %, median {100 * median(slower):+.1f} %"
        lines.append(f"{kind}: {met} of {len(found)} cases within {GOAL:.0%}; {worst}.")
    errors = [abs(f["predicted"][way] / f["ms"][way] - 1) for f in found for way in f["ms"]]
    lines.append(f"Predictions err by {median(errors):.0%} in the median, {max(errors):.0%} most.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
