# SPDX-License-Identifier: Apache-2.0
"""What a library of kernels executes on x86, by the counter that counts aarch64 code.

qemu 7.2 emulates AVX2 and no AVX-512, so the code is compiled for AVX2 while llvm-mca and the
clock are of the machine that the times are taken on. Instructions of x86 have no common length:
the counter's words are not looked at, only how many there are in a block, and the library's own
disassembly says which they are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tvm

from flexpie_tvm.errors import ToolError
from flexpie_tvm.lab.counting.blocks import WORD_BYTES, Block, Executed, read_blocks
from flexpie_tvm.lab.counting.cycles import cycles, hottest
from flexpie_tvm.lab.counting.guest import PROGRAM, Job
from flexpie_tvm.lab.counting.library import Library
from flexpie_tvm.lab.counting.loops import find_loops
from flexpie_tvm.lab.counting.memory_map import Mapped, read_maps
from flexpie_tvm.lab.counting.programs import counter_plugin, llvm_tool, run

TRIPLE, MODEL = "x86_64-linux-gnu", "znver4"
#: KiB and ways of a Zen 4's data caches.
CACHES = {"l1": "32:8", "l2": "1024:8"}
_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S.*)$")
_SEGMENT = re.compile(r"^\s*LOAD\s+0x(\w+)\s+0x(\w+)\s+0x\w+\s+0x(\w+)", re.MULTILINE)


@dataclass
class KernelCounts:
    """Of one function of a library: cycles with all data in L1, and lines from beyond L2."""

    cycles: float = 0.0
    l2_misses: int = 0


class Disassembled:
    """The instructions of a library, numbered in order."""

    def __init__(self, file: Path):
        text = run([llvm_tool("llvm-objdump"), "-d", "--no-show-raw-insn", file])
        found = [m.groups() for line in text.splitlines() if (m := _INSTRUCTION.match(line))]
        self.addresses = [int(address, 16) for address, _ in found]
        self.texts = {k: _plain(words) for k, (_, words) in enumerate(found)}
        self._file = file

    @cached_property
    def _segments(self) -> list[tuple[int, ...]]:
        headers = run([llvm_tool("llvm-readelf"), "-lW", self._file])
        return [tuple(int(g, 16) for g in m.groups()) for m in _SEGMENT.finditer(headers)]

    def number(self, offset: int) -> int | None:
        """Of the instruction at an offset in the file."""
        for start, address, size in self._segments:
            if start <= offset < start + size:
                wanted = offset - start + address
                k = bisect_left(self.addresses, wanted)
                known = k < len(self.addresses) and self.addresses[k] == wanted
                return k if known else None
        return None


def count_kernels(job: Job) -> dict[str, KernelCounts]:
    """Kernel -> what its calls in one inference execute; ``""`` is all code outside the library.

    Raises
    ------
    ToolError
        If qemu is missing, or the guest fails.
    """
    blocks, maps = _counted(job)
    library = Path(job.model)
    code, names = Disassembled(library), Library(str(library))
    own = [m for m in maps if Path(m.file).name == library.name]
    times: dict[int, int] = {}
    found: dict[str, KernelCounts] = {}
    outside, where = 0, {}
    for block in blocks:
        mapped = next((m for m in own if m.start <= block.address < m.stop), None)
        offset = block.address - mapped.start + mapped.offset if mapped else 0
        first = code.number(offset) if mapped else None
        name = names.name(offset) if first is not None else ""
        found.setdefault(name, KernelCounts()).l2_misses += block.l2_misses
        if first is None:
            outside += block.instructions
            continue
        for k in range(first, first + len(block.words)):
            times[k] = times.get(k, 0) + block.executions
            where.setdefault(k, name)
    executed = [Executed(WORD_BYTES * k, k, n) for k, n in sorted(times.items())]
    loops = find_loops(executed)
    hot = hottest(loops)
    needed = dict(zip(hot, cycles(hot, code.texts, MODEL, TRIPLE, ""), strict=True))
    pace = sum(needed.values()) / sum(loop.instructions for loop in hot)
    for loop in loops:
        name = where[loop.words[0]]
        found[name].cycles += needed.get(loop, pace * loop.instructions)
    found.setdefault("", KernelCounts()).cycles = outside * pace
    return found


def _counted(job: Job) -> tuple[Sequence[Block], Sequence[Mapped]]:
    qemu = shutil.which("qemu-x86_64")
    if qemu is None:
        raise ToolError("counting needs qemu-x86_64: install qemu-user")
    environment = {
        "TVM_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        "TVM_USE_RUNTIME_LIB": "1", "PATH": os.defpath, "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(Path(tvm.__file__).parent.parent),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="flexpie-x86.") as scratch:
        folder, counts = Path(scratch), Path(scratch) / "counts"
        fields = {"engine": job.engine, "model": job.model, "inputs": list(job.inputs)}
        (folder / "job.json").write_text(json.dumps(fields))
        np.savez(folder / "inputs.npz", **{f"x{k}": v for k, v in enumerate(job.inputs.values())})
        caches = [f"{name}={size}" for name, size in CACHES.items()]
        plugin = ",".join([str(counter_plugin()), f"out={counts}", *caches])
        command = [qemu, "-cpu", "max", "-plugin", plugin, sys.executable, PROGRAM, folder]
        run(command, env=environment, told_as=f"{job.engine} on x86")
        return read_blocks(counts.read_text()), read_maps((folder / "maps").read_text())


def _plain(text: str) -> str:
    """Without what the disassembler says about it."""
    return re.sub(r"\s*(<.*>|#.*)$", "", text).strip()
