# SPDX-License-Identifier: Apache-2.0
"""The vector registers of a processor, and what it computes with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Elements that kernels which go element by element, or only move elements, take at once: one
#: register of AVX-512, or some that together keep a narrower unit busy.
STEP = 16
#: Registers that leave room for weights and inputs beside many sums.
MANY_REGISTERS = 32
#: Lanes of vectors that are worth it even where LLVM has to find them itself, and may not.
WIDE = 8


@dataclass(frozen=True)
class VectorUnit:
    """What a schedule fits its register tiles to.

    Parameters
    ----------
    name : str
        Of the instruction set: ``sse``, ``avx``, ``avx2``, ``avx512`` or ``neon``.
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

    @property
    def read_lanes(self) -> int:
        """Neighbours that one load brings, each to be multiplied by a vector.

        A product on ARM takes a lane of a register. x86 spreads one number as it reads it.
        """
        return self.lanes if self.is_arm else 1

    @property
    def floats(self) -> tuple[str, ...]:
        """Types of floating point that it computes with and kernels of ours know."""
        return ("float32", "float16") if self.fp16 else ("float32",)

    def of(self, dtype: str) -> VectorUnit:
        """The unit as kernels of a type see it: it has twice as many lanes of ``float16``.

        Parameters
        ----------
        dtype : str
            As numpy calls it.
        """
        return replace(self, lanes=2 * self.lanes) if dtype == "float16" else self

    @property
    def step(self) -> int:
        """Elements of a step of kernels that go element by element (see `STEP`)."""
        return max(STEP, self.lanes)

    @property
    def has_many_registers(self) -> bool:
        """Whether there is room for more than a few sums (see `MANY_REGISTERS`)."""
        return self.registers >= MANY_REGISTERS

    @property
    def finds_vectors(self) -> bool:
        """Whether arithmetic is worth it in loops in which LLVM has yet to find vectors.

        It is with wide vectors (see `WIDE`), and where constants have registers to stay in.
        """
        return self.lanes >= WIDE or self.has_many_registers


SSE = VectorUnit("sse", 4, 16, fma=False)
#: Of floating point; integers have half the lanes.
AVX = VectorUnit("avx", 8, 16, fma=False)
AVX2 = VectorUnit("avx2", 8, 16)
AVX512 = VectorUnit("avx512", 16, 32)
NEON = VectorUnit("neon", 4, 32)
#: By name.
UNITS = {unit.name: unit for unit in (SSE, AVX, AVX2, AVX512, NEON)}
