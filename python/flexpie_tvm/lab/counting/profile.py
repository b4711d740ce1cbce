# SPDX-License-Identifier: Apache-2.0
"""What one inference costs: instructions, cycles and cache misses, whole and by kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from .blocks import Block, executed
from .cycles import MODELS, cycles, hottest
from .disassembly import disassemble, multiply_accumulates
from .guest import Counted
from .loops import Loop, find_loops
from .memory_map import Names


@dataclass(frozen=True)
class CodeCost:
    """What some instructions cost.

    Parameters
    ----------
    instructions : int
        Executed.
    multiply_accumulates : int
        Done by them, by every lane of a vector.
    l1_misses, l2_misses : int
        Of simulated caches; 0 without them.
    cycles : mapping
        Processor of llvm-mca -> cycles, as if all data were in L1.
    """

    instructions: int = 0
    multiply_accumulates: int = 0
    l1_misses: int = 0
    l2_misses: int = 0
    cycles: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: CodeCost) -> CodeCost:
        models = {*self.cycles, *other.cycles}
        return CodeCost(
            self.instructions + other.instructions,
            self.multiply_accumulates + other.multiply_accumulates,
            self.l1_misses + other.l1_misses,
            self.l2_misses + other.l2_misses,
            {m: self.cycles.get(m, 0.0) + other.cycles.get(m, 0.0) for m in sorted(models)},
        )

    def to_json(self) -> dict:
        """The counts as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Kernel:
    """A function of a library, or the library where it does not name its functions.

    Parameters
    ----------
    library : str
        File name.
    name : str
        Of the function; parts of one that TVM outlined are told with it.
    cost : CodeCost
        Of all its instructions together.
    """

    library: str
    name: str
    cost: CodeCost


@dataclass(frozen=True)
class Profile:
    """One inference.

    Parameters
    ----------
    kernels : tuple of Kernel
        The one with the most instructions first.
    """

    kernels: tuple[Kernel, ...]

    @property
    def total(self) -> CodeCost:
        """Of the whole inference."""
        return sum((kernel.cost for kernel in self.kernels), CodeCost())

    def within(self, library: str) -> CodeCost:
        """The cost of one library's kernels.

        Parameters
        ----------
        library : str
            Its file name.
        """
        return sum((k.cost for k in self.kernels if k.library == library), CodeCost())


def profile_of(counted: Counted, models: Sequence[str] = MODELS) -> Profile:
    """Sum up what a guest executed.

    Parameters
    ----------
    counted : Counted
        One inference.
    models : sequence of str
        Processors to give cycles for.

    Returns
    -------
    profile : Profile
        Kernels, those with the most instructions first.
    """
    # 1. Instructions by address, cut into loops; the same words are disassembled once.
    instructions = executed(counted.blocks)
    texts = disassemble({one.word for one in instructions})
    loops = find_loops(instructions)
    # 2. Cycles of the hottest loops; the others run at their mean pace.
    hot = hottest(loops)
    paces = {model: _pace(hot, texts, model) for model in models}
    # 3. Every loop and every block belongs to the kernel in which it starts.
    names = Names(counted.maps)
    costs: dict[tuple[str, str], CodeCost] = {}
    parts = [(loop.address, _cost(loop, texts, paces)) for loop in loops]
    parts += [(b.address, _misses(b)) for b in counted.blocks if b.l1_misses]
    for address, cost in parts:
        key = names.library(address), names.kernel(address)
        costs[key] = costs.get(key, CodeCost()) + cost
    kernels = (Kernel(*key, cost) for key, cost in costs.items())
    return Profile(tuple(sorted(kernels, key=lambda k: (-k.cost.instructions, k.library, k.name))))


@dataclass(frozen=True)
class _Pace:
    """Cycles per instruction of loops, and of all instructions that are in none of these."""

    loops: Mapping[Loop, float]
    others: float

    def cycles(self, loop: Loop) -> float:
        return loop.instructions * self.loops.get(loop, self.others)


def _pace(hot: Sequence[Loop], texts: Mapping[int, str], model: str) -> _Pace:
    needed = cycles(hot, texts, model)
    own = {loop: n / loop.instructions for loop, n in zip(hot, needed, strict=True)}
    return _Pace(own, sum(needed) / sum(loop.instructions for loop in hot))


def _cost(loop: Loop, texts: Mapping[int, str], paces: Mapping[str, _Pace]) -> CodeCost:
    per_pass = sum(multiply_accumulates(texts.get(word, "")) for word in loop.words)
    return CodeCost(
        instructions=loop.instructions,
        multiply_accumulates=round(per_pass * loop.passes),
        cycles={model: pace.cycles(loop) for model, pace in paces.items()},
    )


def _misses(block: Block) -> CodeCost:
    return CodeCost(l1_misses=block.l1_misses, l2_misses=block.l2_misses)
