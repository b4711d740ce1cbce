# SPDX-License-Identifier: Apache-2.0
"""Runs under qemu, in the emulated Python: one inference with counting switched on.

    python guest_program.py JOB

``JOB`` is a folder with ``job.json`` (engine, model, names of inputs) and ``inputs.npz``. The
program adds ``outputs.npz`` and ``maps``, which says where libraries are in memory. It imports
nothing of ours, because only the engines are installed here.
"""

from __future__ import annotations

import ctypes
import gc
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

SWITCH, OFF, ON, READY = 0x464C58, 0, 1, 2  # the system call that the counter listens for
Engine = tuple[Callable[[], object], Callable[[], list[np.ndarray]]]


def main() -> None:
    """Run twice, the second time counted; then write the answers."""
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    with np.load(folder / "inputs.npz") as stored:
        inputs = {name: stored[f"x{k}"] for k, name in enumerate(job["inputs"])}
    run, answers = ENGINES[job["engine"]](job["model"], inputs)
    run()  # engines pack weights and start threads in their first run
    gc.disable()
    switch = ctypes.CDLL(None).syscall
    switch(SWITCH, READY)
    switch(SWITCH, ON)
    run()
    switch(SWITCH, OFF)
    np.savez(folder / "outputs.npz", *answers())
    (folder / "maps").write_text(Path("/proc/self/maps").read_text())


def tvm_graph(model: str, inputs: dict[str, np.ndarray]) -> Engine:
    """A library of TVM's graph executor, with inputs of its own names."""
    import tvm
    from tvm.contrib import graph_executor

    graph = graph_executor.GraphModule(tvm.runtime.load_module(model)["default"](tvm.cpu(0)))
    for name, value in inputs.items():
        graph.set_input(name, value)
    return graph.module["run"], lambda: [
        graph.get_output(k).numpy() for k in range(graph.get_num_outputs())
    ]


def tvm_board(model: str, inputs: dict[str, np.ndarray]) -> Engine:
    """One board's library without other boards: what it would receive is zeros."""
    import tvm
    from tvm.contrib import graph_executor

    @tvm.register_func("flexpie.exchange")
    def receive(*arguments):
        for array in arguments[3:]:
            array.copyfrom(np.zeros(array.shape, array.dtype))

    library = tvm.runtime.load_module(model)
    graph = graph_executor.GraphModule(library["default"](tvm.cpu(0)))
    rng = np.random.default_rng(0)
    names, _ = graph.get_input_info()  # its shapes are wrong where a kernel has two results
    for name in filter(re.compile(r"input\d+$").match, names):
        held = graph.get_input(name)
        held.copyfrom(rng.uniform(0, 1, held.shape).astype(held.dtype))
    return graph.module["run"], list


def tvm_tiles(model: str, inputs: dict[str, np.ndarray]) -> Engine:
    """Kernels of a library one by one, by ``MODEL.calls.json``: name, tensors and their roles.

    Before each call what it reads is written, as by the layer before; its weights are not.
    """
    import tvm

    library = tvm.runtime.load_module(model)
    calls = []
    for name, tensors, roles in json.loads(Path(f"{model}.calls.json").read_text()):
        arrays = [tvm.nd.array(np.zeros(shape, dtype)) for shape, dtype in tensors]
        read = [
            (a.handle.contents.data, a.numpy().nbytes, int(a.dtype.startswith("float")))
            for a, role in zip(arrays, roles, strict=True)
            if role == "r"
        ]
        calls.append((library.get_function(name), arrays, read))

    def run() -> None:
        for function, arrays, read in calls:
            for address, size, value in read:
                ctypes.memset(address, value, size)
            function(*arrays)

    return run, list


def onnxruntime_session(model: str, inputs: dict[str, np.ndarray]) -> Engine:
    """An ONNX model on one thread, with inputs and outputs bound once."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # its thread works beside the inference
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_cpu_input(name, value)
    for output in session.get_outputs():
        binding.bind_output(output.name)
    return lambda: session.run_with_iobinding(binding), binding.copy_outputs_to_cpu


def ncnn_net(model: str, inputs: dict[str, np.ndarray]) -> Engine:
    """``MODEL.param`` and ``MODEL.bin``, else weights of zero, on one thread; without batches."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    weights = f"{model}.bin" if Path(f"{model}.bin").is_file() else ncnn.DataReaderFromEmpty()
    if net.load_param(f"{model}.param") or net.load_model(weights):
        sys.exit("ncnn does not load what pnnx converted")
    given = [ncnn.Mat(np.ascontiguousarray(value[0])) for value in inputs.values()]
    found: list = []

    def run() -> None:
        extractor = net.create_extractor()
        for name, value in zip(net.input_names(), given, strict=True):
            extractor.input(name, value)
        found[:] = [extractor.extract(name)[1] for name in net.output_names()]

    return run, lambda: [np.array(mat) for mat in found]


ENGINES = {
    "tvm": tvm_graph,
    "board": tvm_board,
    "tiles": tvm_tiles,
    "onnxruntime": onnxruntime_session,
    "ncnn": ncnn_net,
}

if __name__ == "__main__":
    main()
