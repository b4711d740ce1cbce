# SPDX-License-Identifier: Apache-2.0
"""Run one inference under qemu with counting switched on."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import ToolError
from ..testbed.emulated import EmulatedPython, prepare_emulated
from ..testbed.lock import locked
from .blocks import Block, read_blocks
from .cpus import CountedCpu
from .engines import engine_packages, pnnx
from .memory_map import Mapped, read_maps
from .programs import counter_plugin, counting_qemu, run

PROGRAM = Path(__file__).parent / "guest_program.py"
#: Engines that need more than TVM.
_PACKED = ("onnxruntime", "ncnn")
_ONE_THREAD = dict.fromkeys(
    ("TVM_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Job:
    """What a guest runs.

    Parameters
    ----------
    engine : {"tvm", "board", "tiles", "onnxruntime", "ncnn"}
        ``board`` is one board's library alone, whose exchanges bring zeros; ``tiles`` a
        library's kernels one by one.
    model : str
        A file, or for ncnn its name without ``.param`` and ``.bin``.
    inputs : mapping
        Input name -> array; none for ``board`` and ``tiles``, which make their own.
    """

    engine: str
    model: str
    inputs: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Counted:
    """One inference of a guest.

    Parameters
    ----------
    outputs : tuple of ndarray
        Its answers.
    blocks : tuple of Block
        What it executed.
    maps : tuple of Mapped
        Where its libraries were in memory.
    """

    outputs: tuple[np.ndarray, ...]
    blocks: tuple[Block, ...]
    maps: tuple[Mapped, ...]


def prepare_counting() -> None:
    """Fetch and compile everything that counting needs, now rather than in the middle.

    Raises
    ------
    ToolError, ClusterError
        If something is missing, with what to install.
    """
    counting_qemu()
    counter_plugin()
    prepare_emulated("aarch64")
    engine_packages()
    pnnx()


def count(job: Job, cpu: CountedCpu, caches: bool = True) -> Counted:
    """Count the second inference of a guest of its own, on one thread.

    Parameters
    ----------
    job : Job
        What it runs.
    cpu : CountedCpu
        What it runs on.
    caches : bool
        Whether to simulate data caches; it takes several times longer.

    Returns
    -------
    counted : Counted
        The answers, and how often each block of instructions was executed.

    Raises
    ------
    ToolError
        If qemu or an engine is missing, or the guest fails.
    """
    python = prepare_emulated("aarch64")
    root = guest_root(python, cpu)
    packages = [python.packages, *(engine_packages() if job.engine in _PACKED else ())]
    environment = {
        **_ONE_THREAD,
        "LC_ALL": "C.UTF-8",
        "PATH": os.defpath,
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(map(str, packages)),
        "TVM_USE_RUNTIME_LIB": "1",
    }
    interpreter = root / python.program.relative_to(python.folder / "root")
    with tempfile.TemporaryDirectory(prefix="flexpie-guest.") as scratch:
        folder = Path(scratch)
        _write_job(job, folder)
        command = (interpreter, PROGRAM, folder)
        blocks = count_program(command, cpu, caches, root, environment, f"{job.engine} on aarch64")
        with np.load(folder / "outputs.npz") as stored:
            outputs = tuple(stored[name] for name in stored.files)
        return Counted(outputs, blocks, read_maps((folder / "maps").read_text()))


def count_program(
    command: Sequence[str | Path],
    cpu: CountedCpu,
    caches: bool,
    root: Path = Path("/"),
    environment: Mapping[str, str] | None = None,
    told_as: str = "",
) -> tuple[Block, ...]:
    """What an aarch64 program executes between its switches.

    Parameters
    ----------
    command : sequence of str or Path
        The program and its arguments.
    cpu : CountedCpu
        What it runs on.
    caches : bool
        Whether to simulate data caches.
    root : Path
        Where its libraries are.
    environment : mapping, optional
        All of its environment; none by default, so that nothing of ours changes a count.
    told_as : str
        What errors call it.

    Raises
    ------
    ToolError
        If qemu is missing or the program fails.
    """
    with tempfile.TemporaryDirectory(prefix="flexpie-counts.") as scratch:
        counts = Path(scratch) / "counts"
        options = [f"{counter_plugin()}", f"out={counts}"]
        if caches:
            options += [f"{k}={c.kib}:{c.ways}" for k, c in (("l1", cpu.l1), ("l2", cpu.l2))]
        qemu = (counting_qemu(), "-cpu", cpu.name, "-L", root, "-plugin", ",".join(options))
        run([*qemu, *command], env=dict(environment or {}), told_as=told_as)
        if not counts.is_file():
            raise ToolError(f"the counter could not write {counts}")
        return read_blocks(counts.read_text())


def guest_root(python: EmulatedPython, cpu: CountedCpu) -> Path:
    """The emulated Python's files with the processor's own ``/proc/cpuinfo``.

    Libraries that choose kernels by it (onnxruntime) fail on the host's.
    """
    cache, source = python.folder.parent, python.folder / "root"
    root = cache / f"{python.folder.name}-{cpu.name}"
    with locked(cache, root.name):
        (root / "proc").mkdir(parents=True, exist_ok=True)
        (root / "proc/cpuinfo").write_text(cpu.cpuinfo)
        for entry in source.iterdir():
            link = root / entry.name
            if entry.name != "proc" and not link.is_symlink():
                link.symlink_to(entry)
    return root


def _write_job(job: Job, folder: Path) -> None:
    fields = {"engine": job.engine, "model": job.model, "inputs": list(job.inputs)}
    (folder / "job.json").write_text(json.dumps(fields))
    arrays = {f"x{k}": value for k, value in enumerate(job.inputs.values())}
    np.savez(folder / "inputs.npz", **arrays)
