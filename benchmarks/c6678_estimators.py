# SPDX-License-Identifier: Apache-2.0
"""The project's estimators on the FlexPie authors' data, file by file, as Markdown.

Configurations, never rows, are split: ten times 90/10, so that every configuration is held
out once. The compute files come from different builds and are never mixed. "repeats" is how
far the rows of one configuration lie from their median, "neighbours" how far sizes lie from
the mean of the sizes beside them: no predictor can come far below both.
Usage: python benchmarks/c6678_estimators.py DATA_FOLDER
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from c6678 import (
    COMPUTE_FILES,
    REARRANGE_FILE,
    TRANSFER_FILE,
    UNIT,
    compute_data,
    load,
    medians,
    rearrange_data,
    size_rows,
    transfer_data,
)
from flexpie_tvm.cost import Analytic, TileWork
from flexpie_tvm.cost.features import tile_key, tile_rows
from flexpie_tvm.cost.rows import Rows
from flexpie_tvm.cost.validate import Score, best_growth, score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    print("| file | part | configurations | MAPE % | median % | 95th % | rank | repeats % "
          "| neighbours % | way | s per fit |\n|---|---|---|---|---|---|---|---|---|---|---|")
    for name in COMPUTE_FILES:
        spread = noise(folder, name)
        parts = [
            row(name, family, tile_rows([tile_key(t) for t in tiles], UNIT), ms, spread)
            for family, (tiles, ms) in compute_data(folder, name).items()
        ]
        count = sum(s.count for s in parts)
        mean = sum(s.count * s.mape for s in parts) / count
        print(f"| {name} | both | {count} | {mean * 100:.3f} |")
    spread = noise(folder, TRANSFER_FILE)
    for rate, (sizes, ms) in transfer_data(folder).items():
        row(TRANSFER_FILE, f"{rate:g} Gb/s", size_rows(sizes), ms, spread)
    sizes, ms = rearrange_data(folder)
    row(REARRANGE_FILE, "", size_rows(sizes), ms, noise(folder, REARRANGE_FILE))
    print()
    for name in COMPUTE_FILES:
        for family, (tiles, ms) in compute_data(folder, name).items():
            print(f"Analytic on {name}, {family}: {analytic_error(tiles, ms):.1%} MAPE "
                  "with its arithmetic rate fitted")


def row(name: str, part: str, rows: Rows, ms: np.ndarray, repeats: float) -> Score:
    """Print and return the errors on held-out configurations."""
    start = time.process_time()
    best = best_growth(rows, ms)
    found = score(ms, best.predicted)
    seconds = (time.process_time() - start) / 20
    near = ""
    if len(rows.layout.columns) == 1:
        middle = (ms[:-2] + ms[2:]) / 2
        near = f"{np.abs(middle / ms[1:-1] - 1).mean() * 100:.3f}"
    print(f"| {name} | {part} | {found.count} | {found.mape * 100:.3f} | "
          f"{found.median * 100:.3f} | {found.p95 * 100:.3f} | {found.rank:.6f} | "
          f"{repeats * 100:.4f} | {near} | {best.way} {best.rounds} | {seconds:.2f} |", flush=True)
    return found


def noise(folder: Path, name: str) -> float:
    """Mean relative distance of repeated rows from their configuration's median."""
    table = load(folder, name)
    configurations, middle = medians(table[:, :-1], table[:, -1])
    order = {tuple(c): m for c, m in zip(configurations.tolist(), middle.tolist(), strict=True)}
    own = np.array([order[tuple(r)] for r in table[:, :-1].tolist()])
    return float(np.abs(table[:, -1] / own - 1).mean())


def analytic_error(tiles: list[TileWork], ms: np.ndarray) -> float:
    """MAPE of `Analytic`, given the arithmetic rate with the least error on all rows."""
    rates = np.geomspace(0.05, 20, 120)
    return min(
        score(ms, Analytic(gflops=rate, memory_bandwidth=1e12, overhead=0.0).compute(tiles)).mape
        for rate in rates
    )


if __name__ == "__main__":
    main()
