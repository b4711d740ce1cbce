# SPDX-License-Identifier: Apache-2.0
"""What machine this is, for the head of a table of results."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import tvm


def describe_machine() -> dict[str, str]:
    """Processor, cores, memory, kernel and versions."""
    return {
        "processor": _field(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "target": f"llvm -mcpu={tvm.target.codegen.llvm_get_system_cpu()}",
        "tvm": tvm.__version__,
        "python": platform.python_version(),
    }


def _memory() -> str:
    found = _field(Path("/proc/meminfo"), "MemTotal")
    return f"{int(found.split()[0]) / 2**20:.0f} GiB" if found else "unknown"


def _field(file: Path, name: str) -> str:
    if not file.is_file():
        return ""
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
