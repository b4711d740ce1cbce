#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tiles that a calibration has not seen, against what cost models say of them.

    python benchmarks/held_out_tiles.py --cost here.cost --cost other.cost

As ``flexpie calibrate`` chooses and times tiles of a local board with one thread, but of other
seeds than it has by default. On an idle machine; 80 tiles take some 20 s.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import tvm

from flexpie_tvm.cli.calibrate import QUANTILE
from flexpie_tvm.cost import Cost, load_cost
from flexpie_tvm.cost.calibration import LEAST_MS, off_by
from flexpie_tvm.cost.records import Setting
from flexpie_tvm.cost.shipped import shipped_like
from flexpie_tvm.cost.traces import TileTrace
from flexpie_tvm.cost.validate import score
from flexpie_tvm.fingerprint import kernels_fingerprint
from flexpie_tvm.lab.profiler import CalibrationOptions, TileProfiler, chosen_tiles, time_chosen
from flexpie_tvm.relay.targets import host_target, parse_target
from flexpie_tvm.runtime import Cluster, local_boards


def main() -> None:
    """Time tiles, and tell by how much each cost model errs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cost", action="append", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14, 15, 16, 17])
    parser.add_argument("--tiles", type=int, default=80, help="of each seed")
    asked = parser.parse_args()
    costs = {file: load_cost(file) for file in asked.cost}
    timed = times(asked.seeds, asked.tiles)
    for file, cost in costs.items():
        print(table(file, cost, timed))


def times(seeds: Sequence[int], tiles: int) -> list[TileTrace]:
    """Traces of tiles on one local board; the same ones whatever the cost models."""
    target, found = str(parse_target(host_target())), []
    cost = shipped_like(target)[-1]
    setting = Setting("local", target, tvm.__version__, 1, kernels_fingerprint())
    with (
        local_boards(1) as bed,
        Cluster.connect((bed.host, bed.port), bed.key, 1) as cluster,
    ):
        profiler = TileProfiler(cluster.sessions, setting, None, QUANTILE)
        for seed in seeds:
            options = CalibrationOptions(1e9, tiles, seed)
            chosen = chosen_tiles(tvm.target.Target(target), cost, options)
            found += [t for t in time_chosen(profiler, chosen, options) if t.ms > 0]
    return found


def table(file: str, cost: Cost, timed: Sequence[TileTrace]) -> str:
    """Errors of all tiles, and of each family."""
    predicted = cost.compute([trace.work for trace in timed])
    measured = np.array([trace.ms for trace in timed])
    families: dict[str, list[int]] = defaultdict(list)
    for place, trace in enumerate(timed):
        families[trace.work.conv_type].append(place)
    off = off_by(measured, predicted)
    lines = [f"{file}: {cost.name}", "| tiles | number | MAPE | median |", "| --- " * 4 + "|"]
    for name, places in {"all": [*range(len(timed))], **families}.items():
        found = score(measured[places], predicted[places])
        lines.append(f"| {name} | {found.count} | {found.mape:.1%} | {found.median:.1%} |")
    return "\n".join([*lines, f"relative to {1e3 * LEAST_MS:.0f} us at least: {off:.1%}", ""])


if __name__ == "__main__":
    main()
