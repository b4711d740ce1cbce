#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long importing takes, beside TVM's own importer on the same files.

Seconds of processor time, the least of some runs that take turns: others on the machine count
little. TVM's is `from_onnx` with frozen weights and `DynamicToStatic`, which a static module needs.

    python benchmarks/import_time.py --repeat 3
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
import tvm
from tvm import relay

from flexpie_tvm.frontend.onnx_model import fix_shapes, load_onnx
from flexpie_tvm.kernels.context import build_context
from flexpie_tvm.testing.networks import PADDLE, light_model, paddle_model
from flexpie_tvm.testing.onnx_networks import bert, mobilenet, resnet
from real_models import FILES, fetch

#: Most times TVM's that importing may take.
GOAL = 1.3
Shapes = Mapping[str, tuple[int, ...]]
MINILM = "paraphrase-MiniLM-L3-v2"


def packaged(name: str, folder: Path) -> tuple[Path, Shapes]:
    """A file of a package, and its shapes."""
    (file,) = (file for file in FILES if file.name == name)
    sizes = dict(shape.split("=") for shape in file.shapes)
    return fetch(file, folder), {k: tuple(map(int, v.split("x"))) for k, v in sizes.items()}


#: Name -> a function from a folder to a file and the shapes of its inputs.
MODELS: Mapping[str, Callable[[Path], tuple[Path, Shapes]]] = {
    **{
        name: lambda _, name=name: (paddle_model(name), dict(PADDLE[name].shapes))
        for name in ("ppocr_det", "ppocr_rec")
    },
    "densenet121": lambda folder: (light_model("densenet121", folder), {}),
    "mobilenet": lambda folder: (mobilenet(folder), {}),
    "resnet50": lambda folder: (resnet(folder, 50), {}),
    "bert": lambda folder: (bert(folder), {}),
    MINILM: lambda folder: packaged(MINILM, folder),
}


def main() -> int:
    """Run the command line; 1 if a model takes longer than the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--folder", type=Path, help="keeps what is fetched and made")
    options = parser.parse_args()
    print("| model | ours, s | TVM's, s | ratio |\n|---|---|---|---|", flush=True)
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.models:
            path, shapes = MODELS[name](options.folder or Path(scratch))
            ours, theirs = least_times(path, shapes, options.repeat)
            ratios.append(ours / theirs)
            print(f"| {name} | {ours:.2f} | {theirs:.2f} | {ratios[-1]:.2f} |", flush=True)
    return int(max(ratios) > GOAL)


def least_times(path: Path, shapes: Shapes, repeat: int) -> tuple[float, float]:
    """Seconds of ours and of TVM's, the least of as many runs each, by turns."""
    runs = [
        (cpu_seconds(load_onnx, path, shapes), cpu_seconds(load_by_tvm, path, shapes))
        for _ in range(repeat)
    ]
    ours, theirs = (min(times) for times in zip(*runs, strict=True))
    return ours, theirs


def cpu_seconds(load: Callable, path: Path, shapes: Shapes) -> float:
    """Seconds of processor time of this process that loading a file takes."""
    start = time.process_time()
    load(path, shapes)
    return time.process_time() - start


def load_by_tvm(path: Path, shapes: Shapes) -> tvm.IRModule:
    """The module that TVM by itself makes of a file."""
    model = onnx.load(str(path))
    fixed = fix_shapes(model, dict(shapes), str(path))
    with warnings.catch_warnings(), build_context(laid_out=False, opt_level=2):
        warnings.simplefilter("ignore")
        mod, _ = relay.frontend.from_onnx(model, shape=fixed, freeze_params=True)
        return relay.transform.DynamicToStatic()(relay.transform.InferType()(mod))


if __name__ == "__main__":
    sys.exit(main())
