#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The planner's plan against one board and every uniform way, measured.

    python benchmarks/auto_against.py build --work auto       # compiles all ways
    python benchmarks/auto_against.py measure --work auto       # on an idle machine: minutes
    python benchmarks/auto_against.py report --work auto

With ``--bandwidth 1e9`` the boards are those of a testbed with such links (as root), and
``--cost`` is a file of ``testbed_predicted.py calibrate``; else they are local ones.

All ways of a case are deployed at once and run in turns, some runs each, a new order each round.
``auto`` is
told against each other way by the median of quiet rounds' ratios, and against the one where that
is greatest. Ways with equal plans are one. What is in ``built.jsonl`` and ``measured.jsonl`` of
the folder is not done again. ``--within 2`` builds no ways that are predicted to take more than
twice as long as the fastest. Costs are those of ``flexpie plan --local``, or ``--cost FILE``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import product
from math import inf
from pathlib import Path
from statistics import median

import numpy as np

from auto_models import NAMES, network
from flexpie_tvm.cli.costs import cost_model
from flexpie_tvm.cli.options import PlanOptions
from flexpie_tvm.cli.own_costs import with_own_costs
from flexpie_tvm.cost import Cost, load_cost
from flexpie_tvm.lab.bench.prepare import BenchModel, CompiledWay
from flexpie_tvm.lab.testbed import TestbedOptions, testbed
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
WARM_UP, LEAST, MOST = 5, 31, 201
#: Runs of a way in its turn; the first finds caches and cores as another way left them.
TURN = 4
#: Plans of ``flexpie plan --try``, and the rounds that choose among them; the others judge.
FINALISTS, TRIAL = 4, 11
#: What a quiet round takes at most, of the least quarter.
NEAR = 1.1
GIGABYTES = 8


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("build", "measure", "report"))
    parser.add_argument("--work", type=Path, required=True, help="folder of all that is made")
    parser.add_argument("--models", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--boards", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--within", type=float, default=inf, help="build no way predicted slower")
    parser.add_argument("--bandwidth", type=float, help="of a testbed, bits per second")
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
    """A file's costs, or what ``flexpie plan --local`` plans so many boards with."""
    if file:
        return load_cost(file)
    options = PlanOptions({}, boards)
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
        cost, cluster = own_cost(boards, options.cost), spec(boards, options.bandwidth)
        model, start = models[name], time.perf_counter()
        cuts = {way: model.partition(way, cluster, cost) for way in options.ways}
        said = {way: cut.plan.notes["predicted_ms"] for way, cut in cuts.items()}
        most = options.within * min(said.values())
        worth = [way for way in cuts if said[way] <= most or way in (ALONE, AUTO)]
        ways = {way: told(model.plan(way, cluster, cost, cuts[way].plan)) for way in worth}
        best = finalists(cuts[AUTO].graph, cluster, cost, FINALISTS)
        best = [p for p in best if p.scheme == ALONE or p.notes["predicted_ms"] <= most]
        tried = [told(model.plan(p.scheme, cluster, cost, p)) for p in best]
        seconds = round(time.perf_counter() - start, 1)
        record = {"model": name, "boards": boards, "cost": cost.name, "build_s": seconds}
        left = {way: ms for way, ms in said.items() if way not in ways}
        keep({**record, "ways": ways, "tried": tried, "left": left}, work / "built.jsonl")
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
        with boards_of(case[1], options) as cluster:
            record = times(built[case], cluster, work / "artifacts", options.seconds)
        keep(record, work / "measured.jsonl")
        print(row(record), file=sys.stderr, flush=True)


def spec(boards: int, bandwidth: float | None) -> ClusterSpec:
    """What the boards are planned for as."""
    if bandwidth is None:
        return as_local(ClusterSpec(boards))
    return TestbedOptions(boards, bandwidth).cluster


@contextmanager
def boards_of(count: int, options: argparse.Namespace) -> Iterator[Cluster]:
    """Boards of a testbed or of this machine."""
    with ExitStack() as stack:
        if options.bandwidth is None:
            bed = stack.enter_context(local_boards(count))
        else:
            asked = TestbedOptions(count, options.bandwidth)
            bed = stack.enter_context(testbed(asked, folder=options.work / "beds"))
        yield stack.enter_context(Cluster.connect((bed.host, bed.port), bed.key, count))


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
                own = [timed(partial(ready[name].run, inputs)) for _ in range(TURN)]
                found[name].append(median(own[1:]))
    return {**built, "ms": found, "load": os.getloadavg()[0]}


def figures(record: dict) -> dict:
    """What a row of the table tells of a case: of rounds that chose nothing."""
    chosen = quiet(record["ms"], 0, TRIAL)
    judged = quiet(record["ms"], TRIAL)
    ms = {name: [values[k] for k in judged] for name, values in record["ms"].items()}
    ways = {way: one["artifact"] for way, one in record["ways"].items()}
    others = {way: name for way, name in ways.items() if way != AUTO}
    trials = [(one, record["ms"][one["artifact"]]) for one in record["tried"]]
    tried = fastest_of([Tried(one, median(v[k] for k in chosen)) for one, v in trials]).plan
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


def quiet(ms: dict[str, list[float]], start: int, stop: int | None = None) -> list[int]:
    """Rounds in which nobody else took a core: all ways together are near the least quarter."""
    rounds = range(*slice(start, stop).indices(min(map(len, ms.values()))))
    total = {k: sum(values[k] for values in ms.values()) for k in rounds}
    most = NEAR * sorted(total.values())[len(total) // 4]
    return [k for k in rounds if total[k] <= most]


def _ratio(own: list[float], other: list[float]) -> float:
    """The median of the rounds' ratios; exactly 1 for the same plan."""
    return median(a / b for a, b in zip(own, other, strict=True))


def row(record: dict) -> str:
    """One line of the table; a way's milliseconds, and those predicted of it."""
    told, cells = figures(record), []
    for way in WAYS:
        if way not in record["ways"]:
            cells.append(f"({record['left'][way]:.3g})")
            continue
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
    head = ["network", "boards", *WAYS]
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
