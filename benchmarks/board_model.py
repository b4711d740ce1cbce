#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far the board model is from published times that it has not seen.

    .venv/bin/python benchmarks/board_model.py [--save]

Prints tables with one network left out at a time, and with one board. With ``--save`` they are
written to ``benchmarks/BOARDS.md``, and the coefficients that all times give to the package.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from flexpie_tvm.cost.board_model import (
    LeftOut,
    boards_left_out,
    fit_all,
    known_times,
    networks_left_out,
    save_fitted,
)
from flexpie_tvm.lab.bench.markdown import table
from flexpie_tvm.machine.board_data import published_times

REPORT = Path(__file__).parent / "BOARDS.md"
HEAD = """\
# The board model against published times

    .venv/bin/python benchmarks/board_model.py --save

Milliseconds of ncnn as its authors publish them, against what counts of the same networks say
([docs/cost.md](../docs/cost.md#boards-that-are-sold)). Errors in percent; above zero where the
model says too much.
"""


def main() -> None:
    """Print, and keep what is asked for."""
    times = known_times(published_times())
    report = "\n\n".join([HEAD.rstrip(), *sections(times)]) + "\n"
    print(report)
    if "--save" in sys.argv[1:]:
        REPORT.write_text(report)
        save_fitted(fit_all(times))


def sections(times: Sequence) -> list[str]:
    """All tables."""
    fitted = fit_all(times)
    names = ("core", "serial", "wait ns", "bus", "start k cycles")
    rows = [
        [kind, *(f"{value:.2f}" for value in (c.core, c.serial, c.wait, c.bus, c.start))]
        for kind, c in fitted.items()
    ]
    return [
        "## One network left out\n\n" + errors(networks_left_out(times)),
        "## One board left out\n\n" + errors(boards_left_out(times)),
        "## Coefficients\n\n" + table(["cores", *names], rows),
    ]


def errors(left_out: Sequence[LeftOut]) -> str:
    """A row for each board and number of threads."""
    networks = list(dict.fromkeys(one.published.network for one in left_out))
    rows = []
    for kind, threads in dict.fromkeys((o.published.kind, o.published.threads) for o in left_out):
        own = {
            one.published.network: 100 * one.error
            for one in left_out
            if (one.published.kind, one.published.threads) == (kind, threads)
        }
        each = [f"{own[name]:+.0f}" if name in own else "" for name in networks]
        rows.append([kind, str(threads), *each, *summary(list(own.values()))])
    every = [100 * one.error for one in left_out]
    rows.append(["all", "", *[""] * len(networks), *summary(every)])
    return table(["cores", "threads", *networks, "median", "worst"], rows)


def summary(found: Sequence[float]) -> list[str]:
    """Median and largest of sizes of errors."""
    sizes = [abs(error) for error in found]
    return [f"{median(sizes):.0f}", f"{max(sizes):.0f}"]


if __name__ == "__main__":
    main()
