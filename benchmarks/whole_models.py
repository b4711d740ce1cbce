# SPDX-License-Identifier: Apache-2.0
"""Whole models on one local board: measured latency against the sum of their layers.

For every model: the time of one run on the board (TVM's time_evaluator on the graph, nothing
sent), the sum of its tiles timed one by one as ``flexpie profile`` times them, the same tiles in
a loop (caches warm), the per-kernel times of TVM's debug executor inside the running model, and
the sum that a cost model predicts.

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
from flexpie_tvm.cli.options import host_target
from flexpie_tvm.cost import Analytic, Cost, TileWork
from flexpie_tvm.profiler import model_works, subject_of
from flexpie_tvm.profiler.kernels import kernel_calls
from flexpie_tvm.profiler.timing import BoardTimer
from flexpie_tvm.relay import build_boards
from flexpie_tvm.runtime import Cluster, local_boards
from flexpie_tvm.runtime.tracker import Session
from local_models import NAMES, module_of

COLUMNS = ("measured", "in_model", "tiles", "loop", "predicted", "analytic")


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
    cells = [f"{row[c]:.2f}" if c in row else "" for c in COLUMNS]
    error = row.get("predicted", row["tiles"]) / row["measured"] - 1
    return f"| {name} | " + " | ".join(cells) + f" | {error:+.1%} |"


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
    row["in_model"] = in_model(debug_executor.GraphModuleDebug(debug, [device], graph_json, None))
    row |= one_by_one(loaded, session, graph_json)
    row["measured"] = median([*before, *run().results]) * 1e3
    library.unlink()
    return row


def predictions(works: Sequence[TileWork], cost: Cost | None) -> dict[str, float]:
    """Sums over all layers of what cost models predict."""
    sums = {"analytic": float(np.sum(Analytic().compute(works)))}
    if cost is not None:
        sums["predicted"] = float(np.sum(cost.compute(works)))
    return sums


def in_model(debug) -> float:
    """Sum of the kernels as TVM's debug executor times them inside the running model."""
    sums = []
    for _ in range(9):
        calls = json.loads(debug.module["profile_rpc"]())["calls"]
        sums.append([call["Duration (us)"]["microseconds"] for call in calls])
    return float(np.median(np.array(sums), axis=0).sum()) / 1e3


def one_by_one(loaded, session: Session, graph_json: str) -> dict[str, float]:
    """Sums over all kernels, each timed by itself: as the profiler does, and in a loop."""
    memo: dict = {}
    device, timer = session.remote.cpu(0), BoardTimer(session)
    sums = {"tiles": 0.0, "loop": 0.0}
    for call in kernel_calls(graph_json, frozenset()):
        if call not in memo:
            again = loaded.time_evaluator(call.name, device, number=3, repeat=5, min_repeat_ms=5)
            memo[call] = {
                "tiles": np.median(timer.kernel(loaded, call)),
                "loop": median(again(*timer.arrays(call)).results),
            }
        for kind in sums:
            sums[kind] += float(memo[call][kind]) * 1e3
    return sums


if __name__ == "__main__":
    main()
