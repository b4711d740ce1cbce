# SPDX-License-Identifier: Apache-2.0
"""Whole models on one local board: measured latency against the sum of their layers.

For every model: the time of one run on the board (TVM's time_evaluator on the graph, nothing
sent), the per-kernel times of TVM's debug executor inside the running model, the sum of its
kernels timed one by one as ``flexpie profile`` times them, with all tensors but the first flushed
before (as TVM's tuners do), and in a loop (caches warm), each with the mean error of a kernel
against its time inside the model; and the sum that a cost model predicts.

    taskset -c 1 python benchmarks/whole_models.py --cost x86_64-local.cost --json whole.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import tvm
from tvm.contrib import graph_executor
from tvm.contrib.debugger import debug_executor

from flexpie_tvm import FlexPiePartition, lower
from flexpie_tvm.codegen import build_boards
from flexpie_tvm.cost import Analytic, Cost, TileWork
from flexpie_tvm.lab.profiler import model_works, subject_of
from flexpie_tvm.lab.profiler.kernels import kernel_calls
from flexpie_tvm.lab.profiler.timing import BoardTimer
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Cluster, local_boards
from flexpie_tvm.runtime.session import Session
from local_models import NAMES, module_of

WAYS = ("tiles", "flushed", "loop")
COLUMNS = ("measured", "in_model", *WAYS, "predicted", "analytic")
#: A function of every TVM RPC server.
FLUSH = "cache_flush_cpu_non_first_arg"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(NAMES))
    parser.add_argument("--cost", type=Path, help="A cost model of 'flexpie train'.")
    parser.add_argument("--json", type=Path, help="Also write the figures to this file.")
    options = parser.parse_args()
    cost = None
    if options.cost:
        from flexpie_tvm.cost import load_cost

        cost = load_cost(options.cost)
    print("| model | " + " | ".join(f"{c} ms" for c in COLUMNS) + " | error |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    rows = {}
    with (
        tempfile.TemporaryDirectory() as scratch,
        local_boards(1) as local,
        Cluster.connect((local.host, local.port), local.key, 1) as boards,
    ):
        for name in options.models:
            rows[name] = measure(name, Path(scratch), boards, cost)
            print(line(name, rows[name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def line(name: str, row: dict[str, float]) -> str:
    """One row; the error is the prediction's, else that of the tiles."""
    cells = [_cell(row, column) for column in COLUMNS]
    error = row.get("predicted", row["tiles"]) / row["measured"] - 1
    return f"| {name} | " + " | ".join(cells) + f" | {error:+.1%} |"


def _cell(row: dict[str, float], column: str) -> str:
    if column not in row:
        return ""
    per_kernel = f" ({row[f'{column} per kernel']:.0%})" if column in WAYS else ""
    return f"{row[column]:.2f}{per_kernel}"


def measure(name: str, scratch: Path, boards: Cluster, cost) -> dict[str, float]:
    """All figures of one model, in milliseconds."""
    target = tvm.target.Target(host_target())
    module = module_of(name, scratch)
    subject = subject_of(name, module, target)
    row = predictions(model_works(subject), cost)
    annotated = FlexPiePartition(1, "Single")(subject.module)
    (library,) = build_boards(lower(annotated).boards, [target], scratch, [None])
    session = boards.sessions[0]
    device, loaded = session.remote.cpu(0), session.load(library)
    graph_json = str(loaded["get_graph_json"]())
    graph = graph_executor.GraphModule(loaded["default"](device))
    run = graph.module.time_evaluator("run", device, number=1, repeat=15)
    before = run().results
    debug = loaded["debug_create"]("default", device)
    inside = in_model(debug_executor.GraphModuleDebug(debug, [device], graph_json, None))
    row["in_model"] = float(inside.sum())
    for way, alone in one_by_one(loaded, session, graph_json).items():
        row[way] = float(alone.sum())
        row[f"{way} per kernel"] = float(np.abs(alone / inside - 1).mean())
    row["measured"] = median([*before, *run().results]) * 1e3
    library.unlink()
    return row


def predictions(works: Sequence[TileWork], cost: Cost | None) -> dict[str, float]:
    """Sums over all layers of what cost models predict."""
    sums = {"analytic": float(np.sum(Analytic().compute(works)))}
    if cost is not None:
        sums["predicted"] = float(np.sum(cost.compute(works)))
    return sums


def in_model(debug) -> np.ndarray:
    """Milliseconds of every kernel as TVM's debug executor times them inside the running model."""
    runs = []
    for _ in range(25):
        calls = json.loads(debug.module["profile_rpc"]())["calls"]
        runs.append([call["Duration (us)"]["microseconds"] for call in calls])
    return np.median(np.array(runs), axis=0) / 1e3


def one_by_one(loaded, session: Session, graph_json: str) -> dict[str, np.ndarray]:
    """Milliseconds of every kernel timed by itself, in each of the `WAYS`."""
    memo: dict = {}
    device, timer = session.remote.cpu(0), BoardTimer(session, host_target())
    calls = kernel_calls(graph_json, frozenset())
    for call in dict.fromkeys(calls):
        arrays = timer.arrays(call)
        flushed = loaded.time_evaluator(call.name, device, number=1, repeat=21, f_preproc=FLUSH)
        again = loaded.time_evaluator(call.name, device, number=3, repeat=5, min_repeat_ms=5)
        times = timer.kernel(loaded, call), flushed(*arrays).results, again(*arrays).results
        memo[call] = [float(np.median(some)) * 1e3 for some in times]
    return dict(zip(WAYS, np.array([memo[call] for call in calls]).T, strict=True))


if __name__ == "__main__":
    main()
