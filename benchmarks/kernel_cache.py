# SPDX-License-Identifier: Apache-2.0
"""What the cache of kernels spares: a first build, the same again, a plan of two other layers.

    python benchmarks/kernel_cache.py MODEL.onnx --input-shape x:1,3,320,320 --boards 4

Seconds are of the processor, of this process and its children; the builds follow each other
in one process.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import tvm

import flexpie_tvm
from flexpie_tvm.codegen import BuildCache
from flexpie_tvm.compiler import prepare
from flexpie_tvm.frontend.imported_model import import_model
from flexpie_tvm.plan import Plan
from flexpie_tvm.relay import read_plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--boards", type=int, default=4)
    parser.add_argument("--target", default="llvm -mcpu=native")
    parser.add_argument("--input-shape", action="append", default=[])
    options = parser.parse_args()
    shapes = {
        name: tuple(map(int, sizes.split(",")))
        for name, sizes in (said.rsplit(":", 1) for said in options.input_shape)
    }
    targets = [tvm.target.Target(options.target)] * options.boards
    module = prepare(import_model(options.model, shapes), targets).layers.module
    first = flexpie_tvm.FlexPiePartition(options.boards, "InH")(module)
    columns = flexpie_tvm.FlexPiePartition(options.boards, "InW")(module)
    plan = with_choices_of(read_plan(first).plan, read_plan(columns).plan, 2)
    other = flexpie_tvm.FlexPiePartition(plan=plan)(module)
    print("| build | CPU s | kernels compiled | found |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, mod in (("first", first), ("two layers other", other), ("first again", first)):
            cache = BuildCache(Path(folder) / "cache")
            path = Path(folder) / f"{name}.flexpie"
            seconds = cpu_seconds(partial(flexpie_tvm.build, mod, targets, path, cache=cache))
            print(
                f"| {name} | {seconds:.1f} | {cache.kernels_compiled} | {cache.kernels_found} |",
                flush=True,
            )


def with_choices_of(plan: Plan, other: Plan, count: int) -> Plan:
    """The plan with the choices of another one for some layers in the middle."""
    differ = [n for n, choice in plan.choices.items() if other.choices[n] != choice]
    middle = differ[len(differ) // 3 :: max(1, len(differ) // 3)][:count]
    return replace(plan, choices={**plan.choices, **{n: other.choices[n] for n in middle}})


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor seconds of this process and its children while something is done."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


if __name__ == "__main__":
    main()
