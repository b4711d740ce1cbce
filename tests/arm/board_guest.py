# SPDX-License-Identifier: Apache-2.0
"""Runs under qemu, in the emulated Python: models on boards that are threads of this process.

    python board_guest.py RUNTIME

``RUNTIME`` is the native board runtime. Each line of the standard input names a folder with
``job.json`` and ``inputs.npz``, as `emulated_boards` writes them; ``outputs.npz`` is added, and
a line says ``done`` or why not. Nothing of ours is imported: only TVM's runtime is here.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import numpy as np
import tvm
from tvm.contrib import graph_executor


def main() -> None:
    """Run one model after the other until the input ends."""
    runtime = tvm.runtime.load_module(sys.argv[1])  # unloaded when nobody holds it
    for number, line in enumerate(sys.stdin):
        try:
            run_model(Path(line.rstrip("\n")), f"model {number}")
        except Exception as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            print(f"failed: {said[-1]}", flush=True)
        else:
            print("done", flush=True)
    del runtime


def run_model(folder: Path, group: str) -> None:
    """Load a model's boards, link them, run all at once, write what each one gives."""
    job = json.loads((folder / "job.json").read_text())
    create = tvm.get_global_func("flexpie.board_create")
    tables = job["tables"]
    boards = [create(k, len(tables), t, job["deadline_ms"]) for k, t in enumerate(tables)]
    try:
        for board in boards:
            board["connect_local"](group)
        graphs = [_graph(library) for library in job["libraries"]]
        with np.load(folder / "inputs.npz") as stored:
            for rank, names in enumerate(job["inputs"]):
                _fill(graphs[rank], names, [stored[f"{rank} {k}"] for k in range(len(names))])
        _on_threads([_runner(b, g) for b, g in zip(boards, graphs, strict=True)])
        outputs = {
            f"{rank} {k}": graphs[rank].get_output(k).numpy()
            for rank, count in enumerate(job["outputs"])
            for k in range(count)
        }
        np.savez(folder / "outputs.npz", **outputs)
    finally:
        for board in boards:
            board["close"]()


def _graph(library: str) -> graph_executor.GraphModule:
    return graph_executor.GraphModule(tvm.runtime.load_module(library)["default"](tvm.cpu(0)))


def _fill(graph: graph_executor.GraphModule, names: list[str], values: list[np.ndarray]) -> None:
    for name, value in zip(names, values, strict=True):
        array = graph.get_input(name)
        if array is not None:  # TVM found that no answer depends on it
            array.copyfrom(value)


def _runner(board: tvm.runtime.Module, graph: graph_executor.GraphModule):
    return lambda: board["run"](graph.module, 1)


def _on_threads(works: list) -> None:
    """Do all at once; raise the first that failed.

    Boards wait for each other no longer than their deadline.
    """
    errors: list[Exception] = []

    def call(work) -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


if __name__ == "__main__":
    main()
