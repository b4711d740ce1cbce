# SPDX-License-Identifier: Apache-2.0
"""A TVM RPC server that also runs onnxruntime, for a board to be measured with both.

It serves whatever ``tvm.exec.rpc_server`` serves. This file needs nothing but TVM's runtime,
numpy and onnxruntime, so it may be copied to a board by itself:

    TVM_USE_RUNTIME_LIB=1 python onnxruntime_server.py --tracker HOST:PORT --key KEY

onnxruntime computes on as many threads as TVM does (``TVM_NUM_THREADS``), and reads its inputs
and writes its answers in the tensors that it is given: nothing is copied for its sake.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import threading
from collections.abc import Callable

import numpy as np
import tvm
from tvm import rpc

PREFIX = "flexpie.onnxruntime"


class Served:
    """One model at a time, of one session of the server."""

    def __init__(self) -> None:
        self._model = self._binding = None
        self._answers: list[np.ndarray] = []
        # Arrays that come over RPC are views that end with the call; their memory stays for as
        # long as the host holds them.
        self._read: dict[str, int] = {}  # input -> address
        self._passed: list[tuple[int, int, int]] = []  # to, from, bytes
        self._why = ""

    def load(self, name: str, optimize: bool) -> str:
        """Load an uploaded ONNX file; says in JSON who runs it: version, process, threads."""
        import onnxruntime

        threads = tvm.runtime.num_threads()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        path = tvm.get_global_func("tvm.rpc.server.workpath")(name)
        self._model = self._binding = None  # not two models in memory
        self._model = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self._binding, self._read = self._model.io_binding(), {}
        return json.dumps(
            {"version": onnxruntime.__version__, "process": os.getpid(), "threads": threads}
        )

    def inputs(self, *named: object) -> int:
        """Take pairs of a name and an array as the inputs, run once; the number of answers."""
        for name, array in zip(named[::2], named[1::2], strict=True):
            self._bind(self._binding.bind_input, name, array)
            self._read[name] = _address(array)
        for output in self._model.get_outputs():
            self._binding.bind_output(output.name)
        self._passed = []
        self.run()
        self._answers = self._binding.copy_outputs_to_cpu()
        return len(self._answers)

    def answer(self, number: int) -> tvm.nd.NDArray:
        """An answer of the first run, for its shape and dtype."""
        # not ascontiguousarray, which makes a scalar a vector
        return tvm.nd.array(np.asarray(self._answers[number], order="C"))

    def outputs(self, *arrays: tvm.nd.NDArray) -> None:
        """Take the arrays that answers are written to from now on."""
        self._binding.clear_binding_outputs()
        for output, array in zip(self._model.get_outputs(), arrays, strict=True):
            if output.name in self._read:  # onnxruntime does not write what is an input, too
                nbytes = int(np.prod(array.shape)) * np.dtype(array.dtype).itemsize
                self._passed.append((_address(array), self._read[output.name], nbytes))
            else:
                self._bind(self._binding.bind_output, output.name, array)

    def run(self) -> None:
        """One inference on what the inputs' arrays hold."""
        self._model.run_with_iobinding(self._binding)
        for parts in self._passed:
            ctypes.memmove(*parts)

    def why(self) -> str:
        """What went wrong last: an exception of Python does not travel over RPC."""
        return self._why

    def explained(self, work: Callable) -> Callable:
        """Work whose failure `why` tells."""

        def call(*arguments: object) -> object:
            try:
                return work(*arguments)
            except Exception as error:
                lines = [line.strip() for line in str(error).splitlines() if line.strip()]
                self._why = lines[0] if lines else type(error).__name__
                raise

        return call

    def _bind(self, bind: Callable[..., None], name: str, array: tvm.nd.NDArray) -> None:
        kind, shape = np.dtype(array.dtype).type, list(array.shape)
        bind(name, "cpu", 0, kind, shape, _address(array))


def _address(array: tvm.nd.NDArray) -> int:
    return array.handle.contents.data or 0  # an empty array may have none


def register() -> None:
    """Make onnxruntime known to an RPC server of this process."""
    served = Served()
    for name in ("load", "inputs", "answer", "outputs", "run", "why"):
        work = served.explained(getattr(served, name))
        tvm.register_func(f"{PREFIX}.{name}", work, override=True)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--port-end", type=int, default=9199)
    parser.add_argument("--tracker", required=True, metavar="HOST:PORT")
    parser.add_argument("--key", required=True)
    parser.add_argument("--custom-addr", help="Address by which others reach this board.")
    options = parser.parse_args()
    host, _, port = options.tracker.rpartition(":")
    server = rpc.Server(
        options.host,
        options.port,
        options.port_end,
        key=options.key,
        tracker_addr=(host, int(port)),
        custom_addr=options.custom_addr,
        server_init_callback=register,
    )
    try:
        threading.Event().wait()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
