# SPDX-License-Identifier: Apache-2.0
"""onnxruntime on one board, with inputs and answers on the way of a deployment."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tvm
from tvm import rpc

from ..errors import EngineError
from .board_errors import BOARD_FAILURES, session_broke
from .cluster import Cluster
from .compare import largest_error
from .host_link import HostLink
from .latency import latencies
from .local import LocalBoards, local_server
from .native import native_library, target_arch
from .onnxruntime_server import PREFIX
from .session import Session

#: What runs onnxruntime beside TVM: a program with the options of ``tvm.exec.rpc_server``.
SERVER = (sys.executable, "-P", str(Path(__file__).with_name("onnxruntime_server.py")))


class OnnxruntimeBoard:
    """The model whole on one board by onnxruntime.

    Parameters
    ----------
    session : Session
        A board whose server is `onnxruntime_server`.
    model : Path
        The ONNX file, weights included; it is uploaded.
    inputs : mapping
        Input name -> array, for shapes and dtypes.
    target : str
        TVM target of the board.
    deadline : float
        Seconds to wait for the board to send or receive.

    Attributes
    ----------
    version : str
        onnxruntime's.
    process : int
        Id of the process that computes, on the board.
    threads : int
        Threads that it computes with.

    Raises
    ------
    EngineError
        If the board's server knows no onnxruntime, or it cannot run the model.
    """

    def __init__(
        self,
        session: Session,
        model: Path,
        inputs: Mapping[str, np.ndarray],
        target: str,
        deadline: float = 30.0,
    ):
        self._remote, load = session.remote, _function(session.remote, "load")
        session.load_once(native_library(target_arch(target)))
        self._name = f"{model.stem}-{secrets.token_hex(4)}{model.suffix}"
        with _said_by_onnxruntime(self._remote):
            self._remote.upload(str(model), self._name)
            about = json.loads(load(self._name, True))
            self._inputs = {n: _array(self._remote, value) for n, value in inputs.items()}
            for name, array in self._inputs.items():
                array.copyfrom(np.asarray(inputs[name], order="C"))
            answers, answer = self._bind_inputs(), _function(self._remote, "answer")
            self._outputs = [_array(self._remote, answer(k)) for k in range(answers)]
            self._bind_outputs()
        self.version, self.process = about["version"], about["process"]
        self.threads = about["threads"]
        self._run = _function(self._remote, "run")
        self._link = HostLink(0, session, list(self._inputs.values()), self._outputs, deadline)

    def __enter__(self) -> OnnxruntimeBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """One inference: send the inputs, run, fetch the outputs.

        Parameters
        ----------
        inputs : mapping
            Input name -> array of the model's shape and dtype.

        Returns
        -------
        outputs : list of numpy.ndarray
            In the model's order.

        Raises
        ------
        EngineError
            If onnxruntime cannot run the model.
        """
        with _said_by_onnxruntime(self._remote):
            arrays = [inputs[name] for name in self._inputs]
            return self._link.infer_global(arrays, f"{PREFIX}.run")

    def run_in_place(self) -> None:
        """One inference on the inputs that the board holds; the answer stays there."""
        self._run()

    def latency(
        self, inputs: Mapping[str, np.ndarray], repeat: int, warm_up: int = 2
    ) -> list[float]:
        """Milliseconds of ``repeat`` inferences, end to end.

        Parameters
        ----------
        inputs : mapping
            As of `run`.
        repeat, warm_up : int
            Inferences that are timed, and before them those that are not.
        """
        return latencies(lambda: self.run(inputs), repeat, warm_up)

    def doubt(self, inputs: Mapping[str, np.ndarray]) -> float:
        """How far its answers are from its own without graph optimizations.

        Where this is much, such as of sigmoids that are all close to 0, or of quantized models,
        onnxruntime cannot tell right from wrong any finer. The model is left unoptimized.

        Parameters
        ----------
        inputs : mapping
            As of `run`.
        """
        answers = self.run(inputs)
        with _said_by_onnxruntime(self._remote):
            _function(self._remote, "load")(self._name, False)
            self._bind_inputs()
            self._bind_outputs()
        return largest_error(self.run(inputs), answers)

    def _bind_inputs(self) -> int:
        named = [part for pair in self._inputs.items() for part in pair]
        return int(_function(self._remote, "inputs")(*named))

    def _bind_outputs(self) -> None:
        _function(self._remote, "outputs")(*self._outputs)


@contextmanager
def beside_local_boards(local: LocalBoards, threads: int = 1) -> Iterator[Session]:
    """A process of this machine that runs onnxruntime with the threads of a local board.

    Parameters
    ----------
    local : LocalBoards
        Boards that are up.
    threads : int
        Threads of each of them.

    Raises
    ------
    ClusterError
        If it does not come up.
    """
    key = f"onnxruntime-{secrets.token_hex(4)}"
    with (
        local_server(SERVER, (local.host, local.port), key, threads, local.secure),
        Cluster.connect((local.host, local.port), key, 1, local.secure) as cluster,
    ):
        yield cluster.sessions[0]


def _function(remote: rpc.RPCSession, name: str) -> tvm.runtime.PackedFunc:
    try:
        return remote.get_function(f"{PREFIX}.{name}")
    except AttributeError:
        raise EngineError("not on the board") from None


def _array(remote: rpc.RPCSession, like: np.ndarray | tvm.nd.NDArray) -> tvm.nd.NDArray:
    return tvm.nd.empty(like.shape, str(like.dtype), remote.cpu(0))


@contextmanager
def _said_by_onnxruntime(remote: rpc.RPCSession) -> Iterator[None]:
    """What onnxruntime does not take, as one sentence; failures of ours stay what they are."""
    try:
        yield
    except BOARD_FAILURES as error:
        text = str(error)
        if "KeyboardInterrupt" in text:
            raise
        if session_broke(text):
            raise EngineError("its process ended") from None
        if "Error caught from RPC call" not in text:
            raise
        why = _function(remote, "why")()
        if why.startswith("No module named"):
            raise EngineError(f"not on the board: {why}") from None
        raise EngineError(f"it cannot run the model: {why[:300]}") from None
