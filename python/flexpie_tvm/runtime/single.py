# SPDX-License-Identifier: Apache-2.0
"""The model whole on one board, compiled by TVM alone: what partitioned runs are held against."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tvm
from tvm import relay
from tvm.contrib import graph_executor
from tvm.target.codegen import llvm_version_major, target_has_features

from ..codegen import BuildCache
from ..codegen.build import link_options
from ..codegen.build_key import stock_key
from ..kernels.context import stock_context
from ..kernels.products import BYTES_SINCE
from .host_link import HostLink
from .latency import latencies
from .native import linker_for, native_library, target_arch
from .session import Session


def build_single(
    mod: tvm.IRModule,
    target: tvm.target.Target | str,
    path: Path,
    cc: str | None = None,
    cache: BuildCache | None = None,
) -> Path:
    """Compile an imported module with TVM's own pipeline, nothing of ours in between.

    Parameters
    ----------
    mod : tvm.IRModule
        The module.
    target : tvm.target.Target or str
        Target of the board.
    path : Path
        The library to write.
    cc : str, optional
        Linker; by default the host's or the cross compiler of the target's architecture.
    cache : BuildCache, optional
        Where the library is looked for and kept; by default it is built.

    Returns
    -------
    path : Path
        The library.
    """
    linker, target = cc or linker_for(str(target)), stock_target(target)

    def build() -> list[Path]:
        with stock_context():
            factory = relay.build(mod, target)
        factory.export_library(str(path), **link_options(linker))
        return [path]

    if cache is None:
        build()
    else:
        cache.made(stock_key(mod, target, linker, path.name), path.parent, build)
    return path


def stock_target(target: tvm.target.Target | str) -> tvm.target.Target:
    """The target without the instructions that TVM's own kernels call as no LLVM of today does.

    TVM 0.19 gives x86's dot products vectors of 32 bits, LLVM 22 takes bytes: it ends the process.
    """
    target = tvm.target.Target(target)
    if target.kind.name != "llvm" or "arm_cpu" in target.keys:
        return target
    odd = [name for name in ("avx512vnni", "avxvnni") if target_has_features([name], target)]
    if not odd or llvm_version_major() < BYTES_SINCE:
        return target
    given = dict(target.export())
    given["mattr"] = [*given.get("mattr", ()), *(f"-{name}" for name in odd)]
    return tvm.target.Target(given)


class SingleBoard:
    """One board that runs the whole model, with inputs and answers on the way of a deployment.

    Parameters
    ----------
    session : Session
        The board.
    library : Path
        What `build_single` made.
    target : tvm.target.Target or str
        What it was built for.
    deadline : float
        Seconds to wait for the board to send or receive.
    """

    def __init__(
        self,
        session: Session,
        library: Path,
        target: tvm.target.Target | str,
        deadline: float = 30.0,
    ):
        session.load_once(native_library(target_arch(str(target))))
        self._library = session.load(library)
        self._graph = graph_executor.GraphModule(self._library["default"](session.remote.cpu(0)))
        self._outputs = list(map(self._graph.get_output, range(self._graph.get_num_outputs())))
        self._session, self._deadline = session, deadline
        self._inputs: dict[str, tvm.nd.NDArray] = {}
        self._link: HostLink | None = None  # with the first run, which tells the inputs' names

    def __enter__(self) -> SingleBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        """
        if self._link is None:
            held = {name: self._graph.get_input(name) for name in inputs}
            # what is missing TVM found to matter to no answer
            self._inputs = {name: array for name, array in held.items() if array is not None}
            received = list(self._inputs.values())
            self._link = HostLink(0, self._session, received, self._outputs, self._deadline)
        arrays = [inputs[name] for name in self._inputs]
        return self._link.infer(arrays, self._graph.module, "run")

    def run_in_place(self) -> None:
        """One inference on the inputs that the board holds; the answer stays there."""
        self._graph.run()

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

    def close(self) -> None:
        """Free everything on the board."""
        if self._link is not None:
            self._link.close()
        del self._link, self._inputs, self._outputs, self._graph, self._library


def run_whole(mod: tvm.IRModule, target, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Compile and run a module whole in this process.

    Parameters
    ----------
    mod : tvm.IRModule
        Weights bound as constants.
    target : tvm.target.Target or str
        One that this machine executes.
    inputs : mapping
        Input name -> array.

    Returns
    -------
    outputs : list of numpy.ndarray
        What TVM alone computes, as of `build_single`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = build_single(mod, target, Path(scratch) / "whole.so")
        library = tvm.runtime.load_module(str(path))
    graph = graph_executor.GraphModule(library["default"](tvm.cpu(0)))
    for name, value in inputs.items():
        graph.set_input(name, value)
    graph.run()
    return [graph.get_output(k).numpy() for k in range(graph.get_num_outputs())]
