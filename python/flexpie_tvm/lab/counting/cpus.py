# SPDX-License-Identifier: Apache-2.0
"""Processors to count for: what a guest finds in ``/proc/cpuinfo``, and their data caches."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from ...machine import caches_of
from ...machine.caches import KIB

TRIPLE = "aarch64-linux-gnu"
_ARMV8 = "fp asimd evtstrm crc32 cpuid"
_ARMV82 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp"
)
_ENTRY = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: {variant:#x}
CPU part\t: {part:#x}
CPU revision\t: {revision}

"""


@dataclass(frozen=True)
class DataCache:
    """Size in KiB and associativity."""

    kib: int
    ways: int


@dataclass(frozen=True)
class CountedCpu:
    """A processor as a guest sees it.

    Parameters
    ----------
    name : str
        Its name for qemu, and for LLVM in a TVM target.
    part, variant, revision : int
        Its main id register, which libraries choose their kernels by.
    features : str
        As Linux lists them; qemu has them, too.
    l1_ways, l2_ways : int
        Associativity of its data caches.
    """

    name: str
    part: int
    variant: int
    revision: int
    features: str
    l1_ways: int
    l2_ways: int

    @property
    def target(self) -> str:
        """Its TVM target."""
        return f"llvm -mtriple={TRIPLE} -mcpu={self.name} -keys=arm_cpu,cpu"

    @property
    def l1(self) -> DataCache:
        """Its own data cache."""
        return DataCache(caches_of(TRIPLE, self.name).l1 // KIB, self.l1_ways)

    @property
    def l2(self) -> DataCache:
        """The next one, all of it."""
        return DataCache(caches_of(TRIPLE, self.name).l2 // KIB, self.l2_ways)

    @property
    def cpuinfo(self) -> str:
        """What Linux writes about one of its cores."""
        return _ENTRY.format(
            features=self.features, variant=self.variant, part=self.part, revision=self.revision
        )


CPUS = {
    cpu.name: cpu
    for cpu in (
        CountedCpu("cortex-a53", 0xD03, 0, 4, _ARMV8, 4, 16),
        CountedCpu("cortex-a72", 0xD08, 0, 3, _ARMV8, 2, 16),
        CountedCpu("cortex-a76", 0xD0B, 4, 1, _ARMV82, 4, 8),
    )
}


def counted_cpu(name: str) -> CountedCpu:
    """A processor by name.

    Parameters
    ----------
    name : str
        As ``-mcpu`` says it, such as ``cortex-a72``.

    Raises
    ------
    InputError
        If it is none of those that can be counted for.
    """
    if name not in CPUS:
        raise InputError(f"'{name}' cannot be counted for: choose one of {', '.join(CPUS)}")
    return CPUS[name]
