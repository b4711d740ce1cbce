# SPDX-License-Identifier: Apache-2.0
"""Whole networks that no cost model has seen, against the sum of their layers.

    .venv/bin/python benchmarks/calibrated_models.py --cost here.cost --cost znver4.cost mobilenet

Each network is compiled for one board of this machine as ``flexpie build`` does it, and timed in
this process: CPU time of one thread, the least of many repeats, because other programs may be using
the machine. A line of JSON for each network is printed, and appended to ``--json FILE``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("TVM_NUM_THREADS", "1")

import numpy as np
import tvm

import flexpie_tvm
from flexpie_tvm.codegen import build_boards
from flexpie_tvm.codegen.merge import input_name
from flexpie_tvm.cost import load_cost
from flexpie_tvm.lab.bench import find_network
from flexpie_tvm.lab.counting.guest_program import ENGINES
from flexpie_tvm.lab.profiler import model_works, subject_of
from flexpie_tvm.relay import FlexPiePartition, lower
from flexpie_tvm.relay.targets import host_target
from x86_check import _least

NETWORKS = ("mobilenet", "resnet18", "inception_v1", "ppocr_det", "ppocr_cls", "ppocr_rec")


def main() -> None:
    """Measure, predict, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--cost", action="append", default=[], required=True)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    for record in compared(asked.networks, asked.cost):
        line = json.dumps(record)
        print(line, flush=True)
        if asked.json:
            with asked.json.open("a") as file:
                file.write(line + "\n")


def compared(networks: Sequence[str], files: Sequence[str]) -> Iterator[dict]:
    """Milliseconds of each network, and what each cost model says."""
    costs = {file: load_cost(file) for file in files}
    target = tvm.target.Target(host_target())
    for name in networks:
        with tempfile.TemporaryDirectory() as scratch:
            network = find_network(name, {}, Path(scratch))
            module = flexpie_tvm.load_onnx(network.path, dict(network.shapes))
            subject = subject_of(name, module, target)
            works = model_works(subject)
            single = lower(FlexPiePartition(1, "Single")(subject.module))
            (library,) = build_boards(single.boards, [target], Path(scratch), [None])
            parameters = single.boards[0]["main"].params
            rng = np.random.default_rng(0)
            inputs = {input_name(k): _random(p, rng) for k, p in enumerate(parameters)}
            begin, _ = ENGINES["tvm"](str(library), inputs)
            ms = _least(begin)
        said = {file: float(cost.compute(works).sum()) for file, cost in costs.items()}
        yield {"network": name, "layers": len(works), "ms": ms, "predicted": said}


def _random(parameter, rng: np.random.Generator) -> np.ndarray:
    kind = parameter.checked_type
    return rng.uniform(0, 1, [int(n) for n in kind.shape]).astype(kind.dtype)


if __name__ == "__main__":
    main()
