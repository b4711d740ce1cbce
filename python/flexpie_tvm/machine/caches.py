# SPDX-License-Identifier: Apache-2.0
"""The caches of processors, by the names that LLVM gives them.

Sizes are those of makers' manuals and of boards that are common with a processor; where a maker
leaves a choice, the smaller one that is sold widely. Blocks that fit the smaller cache also fit
the larger one.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10


@dataclass(frozen=True)
class Caches:
    """Data caches as one core sees them.

    Parameters
    ----------
    l1 : int
        Bytes of a core's first cache of data.
    l2 : int
        Bytes of the next cache.
    sharing : int
        Cores that share that one; 1 if each has its own.
    line : int
        Bytes of a cache line.
    """

    l1: int
    l2: int
    sharing: int = 1
    line: int = 64


_ARM = {
    "cortex-a53": Caches(32 * KIB, 512 * KIB, 4),  # Raspberry Pi 3
    "cortex-a55": Caches(32 * KIB, 128 * KIB),
    "cortex-a57": Caches(32 * KIB, 2048 * KIB, 4),  # Jetson TX1
    "cortex-a72": Caches(32 * KIB, 1024 * KIB, 4),  # Raspberry Pi 4
    "cortex-a73": Caches(32 * KIB, 1024 * KIB, 4),
    "cortex-a76": Caches(64 * KIB, 512 * KIB),  # Raspberry Pi 5
    "cortex-a78": Caches(64 * KIB, 256 * KIB),
    "neoverse-n1": Caches(64 * KIB, 1024 * KIB),
}
_OTHER_ARM = _ARM["cortex-a53"]
_X86 = Caches(32 * KIB, 256 * KIB)


def caches_of(triple: str, mcpu: str = "") -> Caches:
    """The caches of a processor; of a small one if it is not known.

    Parameters
    ----------
    triple : str
        Architecture, vendor and system, such as ``aarch64-linux-gnu``.
    mcpu : str
        LLVM's name of the processor.
    """
    if triple.startswith(("aarch64", "arm")):
        return _ARM.get(mcpu, _OTHER_ARM)
    return _X86
