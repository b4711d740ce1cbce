#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The method that prices ARM boards, held against times of a machine that is here.

    .venv/bin/python benchmarks/x86_check.py networks mobilenet resnet18 ...
    .venv/bin/python benchmarks/x86_check.py tiles --tiles 300
    .venv/bin/python benchmarks/x86_check.py report

Code for AVX2 is counted under qemu, llvm-mca's Zen 4 makes cycles of it, and cycles, lines from
beyond L2 and kernels begun make milliseconds, as `cost.board_model` has them. The three
coefficients are fitted to the whole networks but one (tiles: to all networks), as those of ARM
boards are to published networks. Times are the least of some repeats: of networks CPU time of one
thread, of tiles as ``flexpie profile`` takes them. Results are appended to
``benchmarks/records/x86_check.jsonl``; ``report`` writes ``benchmarks/X86.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TVM_NUM_THREADS", "1")

import numpy as np
import tvm

from flexpie_tvm.cost import load_cost
from flexpie_tvm.cost.shipped import MODELS
from flexpie_tvm.lab.bench import find_network
from flexpie_tvm.lab.bench.markdown import table
from flexpie_tvm.lab.counting.guest import Job
from flexpie_tvm.lab.counting.guest_program import ENGINES
from flexpie_tvm.lab.counting.subject import subject_of
from flexpie_tvm.lab.counting.tile_counts import CALLS, _plain
from flexpie_tvm.lab.profiler.calibration import CalibrationOptions, chosen_tiles
from flexpie_tvm.lab.profiler.kernels import Batch, KernelCall, compile_batch
from flexpie_tvm.lab.profiler.timing import BoardTimer
from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.relay import FlexPiePartition
from flexpie_tvm.runtime import Cluster, build, local_boards
from x86_counts import KernelCounts, count_kernels

HERE = Path(__file__).parent
RECORDS, REPORT = HERE / "records" / "x86_check.jsonl", HERE / "X86.md"
TARGET, GHZ = "llvm -mcpu=core-avx2", 2.6
NETWORKS = ("mobilenet", "resnet18", "ppocr_det", "ppocr_cls", "ppocr_rec", "resnet50")
BATCH, SECONDS, LEAST = 24, 1.5, 5
HEAD = """\
# The method that prices ARM boards, on a machine that is here

    .venv/bin/python benchmarks/x86_check.py networks && .venv/bin/python benchmarks/x86_check.py \\
        tiles && .venv/bin/python benchmarks/x86_check.py report

Code for AVX2, counted under qemu; cycles of llvm-mca's Zen 4; the least time of one thread of a
Zen 4, of some repeats.
"""


def main() -> None:
    """Measure, or report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("networks", "tiles", "report"))
    parser.add_argument("names", nargs="*", default=NETWORKS)
    parser.add_argument("--tiles", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.what == "report":
        REPORT.write_text(report(_records()))
        print(REPORT.read_text())
        return
    done = networks(asked.names) if asked.what == "networks" else tiles(asked.tiles, asked.seed)
    RECORDS.parent.mkdir(exist_ok=True)
    for record in done:
        with RECORDS.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(record, flush=True)


def networks(names: tuple[str, ...]) -> Iterator[dict]:
    """Whole networks on one board; those that were counted before are left out."""
    known = {record["name"] for record in _records()}
    for name in names:
        if name in known:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            subject = subject_of(find_network(name, {}, Path(scratch)), Path(scratch))
            module = FlexPiePreOptimize(TARGET)(subject.module)
            path = Path(scratch) / f"{name}.flexpie"
            artifact = build(FlexPiePartition(1, "Single")(module), TARGET, path)
            library = str(artifact.library(0))
            inputs = {f"input{k}": subject.inputs[p.name] for k, p in enumerate(artifact.inputs)}
            begin, _ = ENGINES["tvm"](library, inputs)
            graph = tvm.runtime.load_module(library)["get_graph_json"]()
            nodes = [n for n in json.loads(graph)["nodes"] if n["op"] != "null"]
            begun = sum(n["attrs"]["func_name"] != "__nop" for n in nodes)
            ms = _least(begin)
            counts = count_kernels(Job("tvm", library, inputs))
        yield _record("network", name, "", counts.values(), begun, ms)


def tiles(wanted: int, seed: int) -> Iterator[dict]:
    """Random tiles, batch by batch."""
    cost, target = load_cost(MODELS / "x86_64-znver4.cost"), tvm.target.Target(TARGET)
    while wanted > 0:
        options = CalibrationOptions(1e9, min(wanted, 2 * BATCH), seed)
        programs = chosen_tiles(target, cost, options)
        for first in range(0, len(programs), BATCH):
            with tempfile.TemporaryDirectory() as scratch:
                library = Path(scratch) / "tiles.so"
                batch = compile_batch(programs[first : first + BATCH], target, library, None)
                yield from _tiles_of(batch, seed)
        wanted, seed = wanted - len(programs), seed + 1


def _tiles_of(batch: Batch, seed: int) -> Iterator[dict]:
    calls = {call.name: call for tile in batch.tiles for call in tile.calls}
    Path(f"{batch.library}{CALLS}").write_text(json.dumps([_plain(c) for c in calls.values()]))
    took = _times(batch.library, list(calls.values()))
    counts = count_kernels(Job("tiles", str(batch.library), {}))
    for tile in batch.tiles:
        names = [call.name for call in tile.calls]
        found = [counts[name] for name in names if name in counts]
        if found and len(found) == len(names):
            work, ms = tile.program.work, sum(took[name] for name in names)
            told = f"{work.kind} {work.in_hwc}>{work.out_hwc} {work.kernel} seed {seed}"
            yield _record("tile", told, work.conv_type, found, len(names), ms)


def _times(library: Path, calls: list[KernelCall]) -> dict[str, float]:
    """The least milliseconds of each kernel as inside a model, timed on a local board.

    What it reads has just been written, weights and results are as other layers left the caches.
    The board's own timer calls it, as in ``flexpie profile``: a call from Python takes 8 us more.
    """
    with (
        local_boards(1) as bed,
        Cluster.connect((bed.host, bed.port), bed.key, 1) as cluster,
    ):
        timer = BoardTimer(cluster.sessions[0], TARGET)
        loaded = timer.load(library)
        return {call.name: 1e3 * float(timer.kernel(loaded, call).min()) for call in calls}


def _least(call: Callable) -> float:
    """The least milliseconds of CPU time of a call."""
    best, until, done = float("inf"), time.thread_time() + SECONDS, 0
    call()
    while done < LEAST or time.thread_time() < until:
        start = time.thread_time_ns()
        call()
        best, done = min(best, time.thread_time_ns() - start), done + 1
    return best * 1e-6


def _record(what: str, name: str, family: str, counts, begun: int, ms: float) -> dict:
    whole = KernelCounts()
    for one in counts:
        whole.cycles += one.cycles
        whole.l2_misses += one.l2_misses
    return {
        "what": what, "name": name, "family": family, "ms": ms, "cycles": whole.cycles,
        "l2_misses": whole.l2_misses, "kernels": begun,
    }  # fmt: skip


def _records() -> list[dict]:
    lines = RECORDS.read_text().splitlines() if RECORDS.is_file() else []
    return [json.loads(line) for line in lines]


def quantities(records: list[dict]) -> np.ndarray:
    """Milliseconds of cycles, of lines that take 1 ns, of kernels that take 1,000 cycles."""
    rows = [
        (r["cycles"] / GHZ * 1e-6, r["l2_misses"] * 1e-6, r["kernels"] / GHZ * 1e-3)
        for r in records
    ]
    return np.array(rows)


def fitted(records: list[dict]) -> np.ndarray:
    """The three coefficients with the least squares of relative errors."""
    from scipy.optimize import nnls

    ms = np.array([r["ms"] for r in records])
    return nnls(quantities(records) / ms[:, None], np.ones(len(records)))[0]


def report(records: list[dict]) -> str:
    """The page."""
    whole = [r for r in records if r["what"] == "network"]
    parts = [r for r in records if r["what"] == "tile"]
    rows, off = [], []
    for left in whole:
        by = fitted([r for r in whole if r is not left])
        said = float(quantities([left])[0] @ by)
        off.append(said / left["ms"] - 1)
        plain = float(quantities([left])[0, 0])
        figures = [f"{left['cycles'] / 1e6:.1f}", f"{left['l2_misses'] / 1e3:.0f}"]
        times = [f"{plain:.2f}", f"{said:.2f}", f"{left['ms']:.2f}"]
        rows.append([left["name"], *figures, *times, f"{off[-1]:+.0%}"])
    head = ["network", "Mcycles", "k lines", "cycles alone, ms", "modelled, ms", "measured, ms"]
    core, wait, start = by_all = fitted(whole)
    told = (
        f"Median of absolute errors {np.median(np.abs(off)):.0%}, worst {np.abs(off).max():.0%}. "
        f"Of all networks: {core:.2f} cycles for one of llvm-mca's at {GHZ} GHz, {wait:.1f} ns a "
        f"line, {start:.1f} thousand cycles to begin a kernel."
    )
    sections = [
        HEAD.rstrip(),
        "## Whole networks, each left out of the fit",
        table([*head, "error"], rows),
        told,
    ]
    if parts:
        sections += _tiles_section(parts, by_all)
    return "\n\n".join(sections) + "\n"


def _tiles_section(parts: list[dict], by: np.ndarray) -> list[str]:
    off = quantities(parts) @ by / np.array([r["ms"] for r in parts]) - 1
    family = np.array([r["family"] for r in parts])
    long = np.array([r["ms"] >= 0.05 for r in parts])
    rows = [
        _errors(name, off[own])
        for name, own in [
            *((f, family == f) for f in dict.fromkeys(family.tolist())),
            ("of .05 ms and more", long), ("all", np.full(len(parts), True)),
        ]
        if own.any()
    ]  # fmt: skip
    head = ["tiles", "number", "median %", "mean %", "95th %", "too much, median %"]
    return ["## Random tiles, by the coefficients of all networks", table(head, rows)]


def _errors(name: str, off: np.ndarray) -> list[str]:
    size = np.abs(off)
    figures = (np.median(size), size.mean(), np.quantile(size, 0.95), np.median(off))
    return [name, f"{len(off)}", *(f"{100 * figure:.0f}" for figure in figures)]


if __name__ == "__main__":
    main()
