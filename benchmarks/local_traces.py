# SPDX-License-Identifier: Apache-2.0
"""Recreate the traces behind the shipped cost model of local boards.

Random layers, six networks and their layers are timed on one local board, or transfers on
several. What the folder has is not timed again, so that a run can be interrupted and repeated.
Nothing else should run on the machine meanwhile; where that cannot be, ``--quantile .1`` keeps a
low one of a tile's timings in place of the median.

    taskset -c 1 python benchmarks/local_traces.py tiles --minutes 30 -o traces
    python benchmarks/local_traces.py transfers --boards 2 --minutes 3 -o traces

With ``--testbed`` (needs root) the boards have shaped links and a core share of their own:

    python benchmarks/local_traces.py transfers --testbed --boards 4 --bandwidth 1Gbps -o traces
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import tvm

from flexpie_tvm.cost.traces import Setting, append_models
from flexpie_tvm.fingerprint import kernels_fingerprint
from flexpie_tvm.lab.profiler import (
    FAMILIES,
    TileOptions,
    TileProfiler,
    TransferOptions,
    TransferProfiler,
    subject_of,
    time_model,
    untimed,
)
from flexpie_tvm.lab.testbed import TOPOLOGIES, TestbedOptions, testbed
from flexpie_tvm.plan import ClusterSpec, parse_bandwidth
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Cluster, local_boards
from local_models import NAMES, module_of


def main() -> None:
    """Append to a trace store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("tiles", "transfers"))
    parser.add_argument("--boards", type=int, default=2)
    parser.add_argument("--testbed", action="store_true")
    parser.add_argument("--bandwidth", type=parse_bandwidth, default=1e9)
    parser.add_argument("--topology", choices=TOPOLOGIES, default="mesh")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--models", nargs="*", default=list(NAMES))
    parser.add_argument("--families", nargs="*", default=(), choices=FAMILIES)
    parser.add_argument("--cuts", type=int, default=7)
    parser.add_argument("--quantile", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    target = str(tvm.target.Target(host_target()))
    setting = Setting("local", target, tvm.__version__, 1, kernels_fingerprint())
    if options.what == "tiles":
        tiles(options, setting)
    else:
        transfers(options, setting)


def tiles(options: argparse.Namespace, setting: Setting) -> None:
    """Tiles on one board."""
    target = tvm.target.Target(setting.target)
    with tempfile.TemporaryDirectory() as scratch:
        subjects = []
        for name in options.models:
            subjects.append(subject_of(name, module_of(name, Path(scratch)), target))
            print(f"{name}: {len(subjects[-1].imported.graph.layers)} layers", flush=True)
    wanted = TileOptions(
        60 * options.minutes,
        1_000_000,
        options.seed,
        cuts=options.cuts,
        overlap=False,
        families=tuple(options.families),
    )
    with (
        local_boards(1) as local,
        Cluster.connect((local.host, local.port), local.key, 1) as boards,
    ):
        for subject in untimed(options.output, subjects, setting):
            whole = time_model(subject, boards.sessions[0], setting)
            append_models(options.output, [whole])
            print(f"{whole.origin}: {whole.ms:.2f} ms, spread {whole.spread:.1%}", flush=True)
        profiler = TileProfiler(boards.sessions, setting, quantile=options.quantile)
        for timed in profiler.run(options.output, subjects, wanted):
            done = profiler.progress
            print(
                f"{timed} tiles, {done.failed} failed, {done.seconds:.0f} s, "
                f"building {done.build_seconds / done.seconds:.0%}, "
                f"median spread {np.median(done.spreads):.1%}",
                flush=True,
            )


def transfers(options: argparse.Namespace, setting: Setting) -> None:
    """Transfers among all of several boards."""
    wanted = TransferOptions(60 * options.minutes, 1_000_000, options.seed, fewest=0)
    asked = TestbedOptions(options.boards, options.bandwidth, topology=options.topology)
    spec = asked.cluster if options.testbed else ClusterSpec(options.boards)
    with (
        testbed(asked) if options.testbed else local_boards(options.boards) as bed,
        Cluster.connect((bed.host, bed.port), bed.key, options.boards) as boards,
    ):
        profiler = TransferProfiler(boards.sessions, spec, setting)
        for timed in profiler.run(options.output, wanted):
            done = profiler.progress
            print(
                f"{timed} transfers, {done.seconds:.0f} s, "
                f"median spread {np.median(done.spreads):.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
