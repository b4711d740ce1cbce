# SPDX-License-Identifier: Apache-2.0
"""How good aarch64 code is, told without aarch64 hardware.

One inference runs under qemu with a plugin that counts how often every instruction is executed and
simulates data caches; llvm-mca's models of processors give the cycles of the loops. The counts are
exact and the same each time, so that a change of a percent is seen, on any machine, beside
onnxruntime and ncnn.

=============  ==========================================================================
counted cpu    a processor that the guest takes itself to run on, with its data caches
guest          the emulated aarch64 Python that runs one inference with an engine
engine         what computes: ``flexpie``, stock ``tvm``, ``onnxruntime`` or ``ncnn``
block          instructions that qemu translated in one piece, with what was counted
loop           instructions in a row that were executed equally often
kernel         instructions of one function of a library
=============  ==========================================================================
"""

from .cpus import CPUS, CountedCpu, counted_cpu
from .guest import Counted, Job, count
from .profile import CodeCost, Kernel, Profile, profile_of

__all__ = [
    "CPUS",
    "CodeCost",
    "Counted",
    "CountedCpu",
    "Job",
    "Kernel",
    "Profile",
    "count",
    "counted_cpu",
    "profile_of",
]
