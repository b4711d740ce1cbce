# SPDX-License-Identifier: Apache-2.0
"""Which measurements of this machine's own boards still hold."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..fingerprint import kernels_fingerprint
from .cost_file import VERSION

CPUINFO = Path("/proc/cpuinfo")
#: What a processor is known by: on x86, and on ARM.
_TOLD = (
    "vendor_id", "model name", "cpu family", "model", "stepping", "cache size",
    "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
)  # fmt: skip


def calibration_key(
    target: str,
    threads: int,
    tvm: str,
    processor: str | None = None,
    kernels: str | None = None,
) -> str:
    """Digest of all that a calibration of local boards is of.

    Parameters
    ----------
    target : str
        TVM target of the boards' kernels.
    threads : int
        Of each board's kernels.
    tvm : str
        Version of TVM.
    processor : str, optional
        By default this machine's (`processor_text`).
    kernels : str, optional
        Fingerprint of kernels, by default of these.
    """
    processor = processor_text() if processor is None else processor
    kernels = kernels or kernels_fingerprint()
    # its first word changes with what is timed: those of before priced calls in another way
    what = ("calibration by busy inferences", VERSION, target, threads, tvm, processor, kernels)
    return hashlib.sha256(repr(what).encode()).hexdigest()


def processor_text(cpuinfo: Path = CPUINFO) -> str:
    """The machine's sorts of cores, and how many of them this process may use."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    pairs = [line.partition(":") for line in lines]
    told = {f"{n.strip()}: {v.strip()}" for n, _, v in pairs if n.strip() in _TOLD}
    return "; ".join([*sorted(told), f"{len(os.sched_getaffinity(0))} cores"])
