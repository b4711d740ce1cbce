# SPDX-License-Identifier: Apache-2.0
"""What the counter wrote: blocks, and how often each of their instructions was executed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import ToolError

WORD_BYTES = 4
#: What other threads may do meanwhile, as a share: onnxruntime has one that reports its use.
_IDLE = 0.02


@dataclass(frozen=True)
class Block:
    """Instructions that qemu translated in one piece.

    Parameters
    ----------
    address : int
        Of the first instruction.
    executions : int
        How often it was entered.
    l1_misses, l2_misses : int
        Of all its reads and writes; 0 without simulated caches.
    words : tuple of int
        The instructions.
    """

    address: int
    executions: int
    l1_misses: int
    l2_misses: int
    words: tuple[int, ...]

    @property
    def instructions(self) -> int:
        """How many it executed."""
        return self.executions * len(self.words)


@dataclass(frozen=True)
class Executed:
    """One instruction of the guest and how often it was executed."""

    address: int
    word: int
    executions: int


def read_blocks(text: str) -> tuple[Block, ...]:
    """Parse the counter's file.

    Raises
    ------
    ToolError
        If other threads took part: what one of them did would be missing.
    """
    first, *lines = text.splitlines()
    blocks = []
    for line in lines:
        address, *counts = line.split()
        words = tuple(int(word, 16) for word in counts[3:])
        blocks.append(Block(int(address, 16), *map(int, counts[:3]), words))
    others, whole = int(first.split()[1]), sum(block.instructions for block in blocks)
    if others > _IDLE * whole:
        raise ToolError(
            f"only one thread of a guest is counted, but others executed {others} instructions "
            f"beside its {whole}"
        )
    return tuple(blocks)


def executed(blocks: Iterable[Block]) -> list[Executed]:
    """Every executed instruction once, by address; overlapping blocks add up.

    Where code was replaced by other code at the same address, both are there.
    """
    counts: dict[tuple[int, int], int] = {}
    for block in blocks:
        for k, word in enumerate(block.words):
            key = (block.address + k * WORD_BYTES, word)
            counts[key] = counts.get(key, 0) + block.executions
    return [Executed(address, word, n) for (address, word), n in sorted(counts.items())]
