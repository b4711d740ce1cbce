# SPDX-License-Identifier: Apache-2.0
"""Numbers that multiply vectors, read as lanes of vectors.

A register tile multiplies packed weights by numbers of the input, each of which is read alone and
spread over a vector. NEON multiplies by one lane of a register, so four neighbours can be read at
once and none needs to be spread: with eight pixels by eight channels there are then 16 loads for
64 products of vectors, instead of 40. LLVM does not join the reads itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import tvm
from tvm import tir

from ..target import unit_of

#: Lanes of the vectors that are read.
LANES = 4


@dataclass
class _Reads:
    """Reads of one buffer at one place that depends on loops, plus numbers."""

    base: tir.PrimExpr
    offsets: set[int] = field(default_factory=set)

    def starts(self) -> dict[int, int]:
        """Where the vector begins that holds an offset; none begins or ends outside what is read.

        An offset that has too few neighbours is not among them.
        """
        found: dict[int, int] = {}
        for run in _runs(sorted(self.offsets)):
            if len(run) >= LANES:
                last = run[-1] - LANES + 1
                found |= {n: min(run[0] + (n - run[0]) // LANES * LANES, last) for n in run}
        return found


def lane_reads() -> tvm.transform.Pass:
    """A pass over kernels, for ``tir.add_lower_pass``, after vectorizing.

    Kernels of a current target without NEON are left: x86 spreads as it multiplies.
    """

    def run(module: tvm.IRModule, _) -> tvm.IRModule:
        target = tvm.target.Target.current(allow_none=True)
        unit = None if target is None else unit_of(target)
        if target is not None and (unit is None or not unit.is_arm):
            return module
        changed = {
            name: _joined(function) if isinstance(function, tir.PrimFunc) else function
            for name, function in module.functions.items()
        }
        return tvm.IRModule(changed, attrs=module.attrs)

    return tvm.transform.module_pass(run, opt_level=0, name="LaneReads")


def _joined(function: tir.PrimFunc) -> tir.PrimFunc:
    """Join the reads of each loop body, innermost loops by themselves."""

    def join(node: tir.Stmt) -> tir.Stmt | None:
        return node if _is_loop(node.body) else _joined_body(node)

    return function.with_body(tir.stmt_functor.ir_transform(function.body, None, join, ["tir.For"]))


def _is_loop(body: tir.Stmt) -> bool:
    return isinstance(body, tir.For)


def _joined_body(loop: tir.For) -> tir.For:
    groups = _groups(_spread(loop.body))
    if not groups:
        return loop

    def lane(node: tir.Broadcast) -> tir.PrimExpr | None:
        if not _is_spread(node):
            return None
        base, offset = _place(node.value)
        group = _find(groups.get(node.value.buffer, []), base)
        start = group.starts().get(offset) if group else None
        if start is None:
            return None
        first = base + tir.const(start, base.dtype)
        ramp = tir.Ramp(first, tir.const(1, base.dtype), LANES)
        vector = tir.BufferLoad(node.value.buffer, [ramp])
        lanes = int(node.lanes)
        # TVM wants no more lanes than it is given; LLVM sees that they are the same
        vectors = [vector] * -(-lanes // LANES)
        return tir.Shuffle(vectors, [tir.const(offset - start, "int32")] * lanes)

    body = tir.stmt_functor.ir_transform(loop.body, None, lane, ["tir.Broadcast"])
    return tir.For(loop.loop_var, loop.min, loop.extent, loop.kind, body, loop.thread_binding,
                   loop.annotations, loop.span)  # fmt: skip


def _spread(body: tir.Stmt) -> list[tir.BufferLoad]:
    """Numbers that a body reads and spreads over vectors, those of loops inside it left out."""
    found: list[tir.BufferLoad] = []

    def visit(node) -> None:
        if _is_spread(node):
            found.append(node.value)

    tir.stmt_functor.post_order_visit(body, visit)
    return found


def _is_spread(node) -> bool:
    return (
        isinstance(node, tir.Broadcast)
        and isinstance(node.value, tir.BufferLoad)
        and len(node.value.indices) == 1
        and node.value.dtype == "float32"
        and int(node.lanes) % LANES == 0
    )


def _groups(loads: Iterable[tir.BufferLoad]) -> dict[tir.Buffer, list[_Reads]]:
    groups: dict[tir.Buffer, list[_Reads]] = {}
    for load in loads:
        base, offset = _place(load)
        own = groups.setdefault(load.buffer, [])
        group = _find(own, base)
        if group is None:
            group = _Reads(base)
            own.append(group)
        group.offsets.add(offset)
    return groups


def _find(groups: list[_Reads], base: tir.PrimExpr) -> _Reads | None:
    return next((g for g in groups if tvm.ir.structural_equal(g.base, base)), None)


def _place(load: tir.BufferLoad) -> tuple[tir.PrimExpr, int]:
    """An index as what depends on loops and a number."""
    index = tvm.arith.Analyzer().simplify(load.indices[0])
    if isinstance(index, tir.Add) and isinstance(index.b, tir.IntImm):
        return index.a, int(index.b)
    if isinstance(index, tir.IntImm):
        return tir.const(0, index.dtype), int(index)
    return index, 0


def _runs(numbers: list[int]) -> list[list[int]]:
    """Neighbours together."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][-1] + 1 == n:
            runs[-1].append(n)
        else:
            runs.append([n])
    return runs
