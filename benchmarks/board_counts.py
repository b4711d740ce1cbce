#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count ncnn's inferences of networks whose times are published for many boards.

    .venv/bin/python benchmarks/board_counts.py [NETWORK ...] --cpu cortex-a72 cortex-a76

Writes ``flexpie_tvm/machine/counts.json``, which the board model is fitted with: instructions,
cycles of llvm-mca and misses of the counted processor's caches, on one thread. It takes some
fifteen minutes for a processor. ncnn computes in fp16 where a processor does: count for a
Cortex-A76 for boards that have such cores, for a Cortex-A72 for older ones.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from flexpie_tvm.errors import FlexPieError
from flexpie_tvm.lab.counting import CPUS, Job, count, profile_of
from flexpie_tvm.lab.counting.guest import prepare_counting
from flexpie_tvm.lab.counting.usual_networks import USUAL
from flexpie_tvm.machine.board_data import COUNTS


def main() -> None:
    """Count one network after another, and keep each at once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", nargs="*", default=[])
    parser.add_argument("--cpu", nargs="+", default=["cortex-a72", "cortex-a76"], choices=[*CPUS])
    options = parser.parse_args()
    try:
        prepare_counting()
        for cpu in options.cpu:
            for name in options.network or USUAL:
                keep(name, cpu, counted(name, cpu))
                print(f"counted {name} on {cpu}", file=sys.stderr, flush=True)
    except FlexPieError as error:
        sys.exit(f"error: {error}")


def counted(name: str, cpu: str) -> dict:
    """The figures of one network on one processor."""
    net = USUAL[name]()
    with tempfile.TemporaryDirectory(prefix="flexpie-counts.") as scratch:
        path = Path(scratch) / name
        path.with_suffix(".param").write_text(net.text())
        image = np.full((1, net.channels, net.rows, net.columns), 0.01, "float32")
        total = profile_of(count(Job("ncnn", str(path), {"data": image}), CPUS[cpu])).total
    cycles = {model: round(number) for model, number in total.cycles.items()}
    return {**total.to_json(), "layers": net.operators, "cycles": cycles}


def keep(name: str, cpu: str, figures: dict) -> None:
    """Beside what is known of other networks and processors."""
    known = json.loads(COUNTS.read_text()) if COUNTS.is_file() else {}
    known.setdefault(cpu, {})[name] = figures
    COUNTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
