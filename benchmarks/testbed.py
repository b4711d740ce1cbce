# SPDX-License-Identifier: Apache-2.0
"""How long testbeds take to come up and go down, and how true their links are.

    python benchmarks/testbed.py [--boards 2 4] [--archs x86_64 aarch64] [--gigabits 0.5 1 5]

Needs root. Rates are bits of payload: a TCP stream carries 95.6% of what is on the wire.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from flexpie_tvm.lab.testbed import TestbedOptions, down, testbed, up


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, nargs="*", default=[2, 4])
    parser.add_argument("--archs", nargs="*", default=["x86_64", "aarch64"])
    parser.add_argument("--gigabits", type=float, nargs="*", default=[0.5, 1.0, 5.0])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        print("boards  arch     up s   of it links s  down s")
        for arch in given.archs:
            for boards in given.boards:
                print_times(TestbedOptions(boards, archs=(arch,)), Path(scratch))
        print("\nasked Gb/s  links  least    median   most (of what was asked)")
        for gigabits in given.gigabits:
            print_rates(TestbedOptions(2, gigabits * 1e9, topology="ring"), Path(scratch))


def print_times(options: TestbedOptions, folder: Path) -> None:
    """One line: seconds until a testbed is up, those of them for measuring links, and down."""
    said: list[float] = [time.perf_counter()]
    up(options, "timed", folder, say=lambda text: said.append(time.perf_counter()))
    ready = time.perf_counter()
    down("timed", folder)
    gone = time.perf_counter()
    print(
        f"{options.boards:6}  {options.archs[0]:8} {ready - said[0]:5.1f}  {ready - said[-1]:13.1f}"
        f"  {gone - ready:6.2f}",
        flush=True,
    )


def print_rates(options: TestbedOptions, folder: Path) -> None:
    """One line: measured rates as parts of the rate that was asked for."""
    with testbed(options, folder=folder) as bed:
        rates = bed.rates
    parts = sorted(rate / options.bandwidth for rate in rates.values())
    print(
        f"{options.bandwidth / 1e9:10.1f}  {len(parts):5}  {parts[0]:6.1%}   {median(parts):6.1%}"
        f"   {parts[-1]:6.1%}",
        flush=True,
    )


if __name__ == "__main__":
    main()
