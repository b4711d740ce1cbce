# SPDX-License-Identifier: Apache-2.0
"""The vector registers of a processor, and what it computes with them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VectorUnit:
    """What a schedule fits its register tiles to.

    Parameters
    ----------
    name : str
        Of the instruction set: ``avx512``, ``avx2``, ``sse`` or ``neon``.
    lanes : int
        Numbers of 32 bits in a register.
    registers : int
        Vector registers.
    fma : bool
        Whether a product is added to a sum in one instruction.
    dot_product : bool
        Whether four products of 8 bits are added to a sum of 32 bits in one instruction.
    fp16 : bool
        Whether it computes with numbers of 16 bits, twice as many in a register.
    """

    name: str
    lanes: int
    registers: int
    fma: bool = True
    dot_product: bool = False
    fp16: bool = False

    @property
    def is_arm(self) -> bool:
        """Whether the processor is an ARM one."""
        return self.name == "neon"


SSE = VectorUnit("sse", 4, 16, fma=False)
AVX2 = VectorUnit("avx2", 8, 16)
AVX512 = VectorUnit("avx512", 16, 32)
NEON = VectorUnit("neon", 4, 32)
