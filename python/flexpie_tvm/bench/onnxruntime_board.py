# SPDX-License-Identifier: Apache-2.0
"""onnxruntime on one board, with inputs and answers on the way of a deployment.

Run as a program on the board, this is a TVM RPC server that also knows onnxruntime:

    python -m flexpie_tvm.bench.onnxruntime_board --tracker HOST:PORT --key KEY --threads 1
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import tvm
from tvm import rpc

from ..runtime.host_link import HostLink
from ..runtime.native import native_library, target_arch
from ..runtime.tracker import Session

PREFIX = "flexpie.bench.onnxruntime"


class OnnxruntimeBoard:
    """The model whole on one board by onnxruntime.

    Parameters
    ----------
    session : Session
        A board that runs this module's server.
    model : Path
        The ONNX file; it is uploaded.
    inputs : mapping
        Input name -> array, for shapes and dtypes.
    target : str
        TVM target of the board.
    deadline : float
        Seconds to wait for the board to send or receive.
    """

    def __init__(
        self,
        session: Session,
        model: Path,
        inputs: Mapping[str, np.ndarray],
        target: str,
        deadline: float = 30.0,
    ):
        session.load_once(native_library(target_arch(target)))
        remote = session.remote
        remote.upload(str(model), model.name)
        remote.get_function(f"{PREFIX}.load")(model.name)
        self._run = remote.get_function(f"{PREFIX}.run")
        self._inputs = {n: _array(remote, value) for n, value in inputs.items()}
        for name, array in self._inputs.items():
            array.copyfrom(np.asarray(inputs[name], order="C"))
        output = remote.get_function(f"{PREFIX}.output")
        self._outputs = [_array(remote, output(k)) for k in range(self.run_in_place())]
        received = list(self._inputs.values())
        self._link = HostLink(0, session, received, self._outputs, deadline)

    def __enter__(self) -> OnnxruntimeBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """One inference: send the inputs, run, fetch the outputs."""
        arrays = [inputs[name] for name in self._inputs]
        return self._link.infer_global(
            arrays, f"{PREFIX}.infer", len(arrays), *self._named, *self._outputs
        )

    def run_in_place(self) -> int:
        """One inference on the inputs that the board holds; the number of outputs."""
        return int(self._run(*self._named))

    @property
    def _named(self) -> list:
        return [part for pair in self._inputs.items() for part in pair]


def _array(remote: rpc.RPCSession, like: np.ndarray | tvm.nd.NDArray) -> tvm.nd.NDArray:
    return tvm.nd.empty(like.shape, str(like.dtype), remote.cpu(0))


class _Served:
    """What the server does: one model at a time."""

    def __init__(self, threads: int):
        self._threads, self._session, self._answers = threads, None, []

    def load(self, name: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = self._threads
        path = tvm.get_global_func("tvm.rpc.server.workpath")(name)
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def run(self, *named: object) -> int:
        inputs = {name: array.numpy() for name, array in zip(named[::2], named[1::2], strict=True)}
        self._answers = self._session.run(None, inputs)
        return len(self._answers)

    def infer(self, count: int, *arrays: object) -> None:
        self.run(*arrays[: 2 * count])
        for answer, array in zip(self._answers, arrays[2 * count :], strict=True):
            array.copyfrom(np.ascontiguousarray(answer))

    def output(self, number: int) -> tvm.nd.NDArray:
        return tvm.nd.array(np.ascontiguousarray(self._answers[number]))


def register(threads: int) -> None:
    """Make onnxruntime known to an RPC server of this process."""
    served = _Served(threads)
    for name in ("load", "run", "infer", "output"):
        tvm.register_func(f"{PREFIX}.{name}", getattr(served, name), override=True)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--port-end", type=int, default=9199)
    parser.add_argument("--tracker", required=True, metavar="HOST:PORT")
    parser.add_argument("--key", required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    host, _, port = options.tracker.rpartition(":")
    server = rpc.Server(
        options.host,
        options.port,
        options.port_end,
        key=options.key,
        tracker_addr=(host, int(port)),
        server_init_callback=partial(register, options.threads),
    )
    try:
        threading.Event().wait()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
