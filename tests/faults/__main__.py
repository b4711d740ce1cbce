# SPDX-License-Identifier: Apache-2.0
"""Random faults on boards of a testbed, one after the other, and a table of what came of them.

python -m tests.faults --faults 1000 --seed 1 --results faults.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tvm

import flexpie_tvm
from flexpie_tvm.frontend.formats import load_model, model_inputs
from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.lab.testbed import TestbedOptions, load, testbed
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import BuildCache, run_whole

from .boards import Boards
from .fault import draw
from .table import Row, table
from .trial import Work, try_fault

MODES = ("raise", "replan")


def main() -> None:
    """Print a line of JSON for each fault, then a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--boards", type=int, default=4, help="Of the testbed; 2 to all are used.")
    parser.add_argument("--deadline", type=float, default=2.0, help="Seconds.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", default="squeezenet", help="Name or ONNX file.")
    parser.add_argument(
        "--cache", type=Path, help="Folder that keeps what was compiled, for the next time."
    )
    parser.add_argument("--results", type=Path, help="Gets a line of JSON for each fault.")
    options = parser.parse_args()
    rng, rows = np.random.default_rng(options.seed), []
    with tempfile.TemporaryDirectory() as scratch:
        work = prepared(options, Path(scratch))
        with some_boards(options.boards, Path(scratch)) as boards:
            for number in range(options.faults):
                fault, mode = draw(rng, options.boards, options.deadline), str(rng.choice(MODES))
                outcome = try_fault(fault, boards, work, mode)
                rows.append(Row(fault, outcome, mode))
                line = {"seed": options.seed, "number": number, "mode": mode}
                text = json.dumps({**line, **asdict(fault), **asdict(outcome)})
                print(text, flush=True)
                if options.results:
                    with options.results.open("a") as file:
                        print(text, file=file)
    print(table(rows, options.deadline))


@contextmanager
def some_boards(count: int, folder: Path) -> Iterator[Boards]:
    """Boards on a testbed at 1 Gb/s, which go with it."""
    with testbed(TestbedOptions(count), f"faults-{os.getpid()}", folder) as bed:
        boards = Boards(bed, load(folder, bed.name).network, "faults")
        try:
            boards.wait_for(count)
            yield boards
        finally:
            boards.end()


def prepared(options: argparse.Namespace, scratch: Path) -> Work:
    """Artifacts for any number of boards and every loss, inputs, and what one board answers."""
    network = find_network(options.network, {}, scratch)
    mod, target = load_model(network.path, network.shapes), host_target()
    artifacts, cache = {}, BuildCache(options.cache or scratch / "cache")
    for boards in range(2, options.boards + 1):
        passes = [
            flexpie_tvm.FlexPiePreOptimize(target),
            flexpie_tvm.FlexPiePartition(flexpie_tvm.ClusterSpec(boards), "InH"),
        ]
        cut, path = tvm.transform.Sequential(passes)(mod), scratch / f"{boards}.flexpie"
        artifacts[boards] = flexpie_tvm.build(
            cut, target, path, model=network.path, fallbacks=boards - 1, cache=cache
        )
    rng = np.random.default_rng(1)
    inputs = {
        i.name: rng.normal(size=i.shape).astype(i.dtype)
        for i in model_inputs(network.path, network.shapes)
    }
    return Work(artifacts, inputs, run_whole(mod, target, inputs), options.deadline)


if __name__ == "__main__":
    main()
