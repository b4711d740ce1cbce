# SPDX-License-Identifier: Apache-2.0
"""Boards of another architecture in one emulated process: compiled models run there at once.

A testbed's boards are servers with sockets, and each takes seconds to start under qemu. Here one
process lives as long as it is wanted, and a model's boards are threads of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from flexpie_tvm.codegen import input_name
from flexpie_tvm.errors import ToolError
from flexpie_tvm.lab.testbed.emulated import prepare_emulated
from flexpie_tvm.runtime.artifact import Artifact
from flexpie_tvm.runtime.native import native_library

PROGRAM = Path(__file__).with_name("board_guest.py")
#: How long a board waits for another: emulated kernels are slow.
DEADLINE_MS = 120_000


class EmulatedBoards:
    """An emulated aarch64 process that boards' libraries are loaded into.

    A process that a kernel crashed is replaced by a new one.

    Parameters
    ----------
    cpu : str
        The processor that qemu is to be; an instruction that it lacks ends the process.

    Raises
    ------
    ClusterError
        If there is no qemu, or the native runtime is not built for aarch64.
    """

    def __init__(self, cpu: str):
        self.cpu = cpu
        python = prepare_emulated("aarch64")
        self._command = [python.interpreter, PROGRAM, native_library("aarch64")]
        self._environment = os.environ | {
            "PYTHONPATH": str(python.packages),
            "QEMU_CPU": cpu,
            "TVM_NUM_THREADS": "1",
            "TVM_USE_RUNTIME_LIB": "1",
        }
        self._guest: subprocess.Popen | None = None

    def __enter__(self) -> EmulatedBoards:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, artifact: Artifact, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """One inference.

        Parameters
        ----------
        artifact : Artifact
            Of any number of boards, compiled for aarch64.
        inputs : mapping
            Name -> value of each input of the model.

        Returns
        -------
        outputs : list of ndarray
            The model's, put together from the boards'.

        Raises
        ------
        ToolError
            If a board fails, or crashes the process.
        """
        with tempfile.TemporaryDirectory(prefix="flexpie-boards.") as scratch:
            folder = Path(scratch)
            _write_job(artifact, inputs, folder)
            self._ask(folder)
            with np.load(folder / "outputs.npz") as stored:
                return _gathered(artifact, stored)

    def close(self) -> None:
        """End the process."""
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.kill()
            guest.communicate()

    def _ask(self, folder: Path) -> None:
        if self._guest is None:
            self._guest = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self._environment,
            )
        guest = self._guest
        try:
            print(folder, file=guest.stdin, flush=True)
            said = guest.stdout.readline().rstrip("\n")
        except BrokenPipeError:
            said = ""
        if not said:
            code = guest.wait()
            self.close()
            raise ToolError(f"the emulated boards ended with exit code {code}")
        if said != "done":
            raise ToolError(f"the emulated boards {said}")


def _write_job(artifact: Artifact, inputs: Mapping[str, np.ndarray], folder: Path) -> None:
    names, values = [], {}
    for rank in range(artifact.boards):
        needed = [p for p in artifact.inputs if not p.regions[rank].is_empty]
        names.append([input_name(k) for k in range(len(needed))])
        for k, port in enumerate(needed):
            values[f"{rank} {k}"] = inputs[port.name][port.regions[rank].slices()]
    job = {
        "deadline_ms": DEADLINE_MS,
        "inputs": names,
        "libraries": [str(artifact.library(rank)) for rank in range(artifact.boards)],
        "outputs": [len(_owned(artifact, rank)) for rank in range(artifact.boards)],
        "tables": [json.dumps(table) for table in artifact.tables],
    }
    (folder / "job.json").write_text(json.dumps(job))
    np.savez(folder / "inputs.npz", **values)


def _owned(artifact: Artifact, rank: int) -> list[int]:
    """Which outputs a board has some of."""
    return [k for k, p in enumerate(artifact.outputs) if not p.regions[rank].is_empty]


def _gathered(artifact: Artifact, stored: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    outputs = [np.empty(port.shape, port.dtype) for port in artifact.outputs]
    for rank in range(artifact.boards):
        for at, k in enumerate(_owned(artifact, rank)):
            region = artifact.outputs[k].regions[rank]
            outputs[k][region.slices()] = stored[f"{rank} {at}"]
    return outputs
