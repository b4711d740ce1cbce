# SPDX-License-Identifier: Apache-2.0
"""Numbers that multiply vectors, read as lanes of vectors.

A register tile multiplies packed weights by numbers of the input, each of which is read alone and
spread over a vector. NEON multiplies by one lane of a register, so four neighbours can be read at
once and none needs to be spread: with eight pixels by eight channels there are then 16 loads for
64 products of vectors, instead of 40. LLVM does not join the reads itself.

The same holds for numbers of 16 bits, of which a vector has eight: of floating point, and integers
that are widened as they are multiplied; and for four numbers of 8 bits at a time that a dot product
takes. Two of 8 bits, whose products are added in pairs, have to be spread, but from a register.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import tvm
from tvm import tir

from ..target import unit_of

#: Lanes that a product has a multiple of, bytes of a vector.
LANES, BYTES = 4, 16
#: Numbers that several of 8 bits are read as, and how many.
JOINED = {"int32": 4, "int16": 2}


@dataclass(frozen=True)
class _Number:
    """A number that is read alone: where, of how many elements, and as which type it multiplies."""

    load: tir.BufferLoad
    place: tir.PrimExpr
    elements: int
    dtype: str

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        element = tvm.DataType(self.load.buffer.dtype)
        return BYTES * 8 // (element.bits * element.lanes)

    @property
    def is_joined(self) -> bool:
        """Whether it is made of several numbers side by side."""
        return self.load.dtype != self.load.dtype.partition("x")[0]


@dataclass
class _Reads:
    """Reads of one buffer at one place that depends on loops, plus numbers."""

    base: tir.PrimExpr
    lanes: int
    offsets: set[int] = field(default_factory=set)

    def starts(self) -> dict[int, int]:
        """Where the vector begins that holds an offset; none begins or ends outside what is read.

        An offset that has too few neighbours is not among them.
        """
        found: dict[int, int] = {}
        lanes = self.lanes
        for run in _runs(sorted(self.offsets)):
            if len(run) >= lanes:
                last = run[-1] - lanes + 1
                found |= {n: min(run[0] + (n - run[0]) // lanes * lanes, last) for n in run}
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
        number = _spread_number(node)
        if number is None:
            return None
        base, offset = _place(number.place)
        group = _find(groups.get(number.load.buffer, []), base)
        start = group.starts().get(offset) if group else None
        if start is None:
            return None
        first = base + tir.const(start, base.dtype)
        ramp = tir.Ramp(first, tir.const(1, base.dtype), number.lanes)
        vector = tir.BufferLoad(number.load.buffer, [ramp])
        return _lanes(vector, number, offset - start, int(node.lanes))

    body = tir.stmt_functor.ir_transform(loop.body, None, lane, ["tir.Broadcast"])
    return tir.For(loop.loop_var, loop.min, loop.extent, loop.kind, body, loop.thread_binding,
                   loop.annotations, loop.span)  # fmt: skip


def _lanes(vector: tir.PrimExpr, number: _Number, at: int, count: int) -> tir.PrimExpr:
    """A vector of one number of another."""
    lanes = number.lanes
    if number.is_joined:
        lanes, at = lanes // number.elements, at // number.elements
        vector = tir.reinterpret(f"{number.dtype}x{lanes}", vector)
    # TVM wants no more lanes than it is given; LLVM sees that they are the same
    vectors = [vector] * -(-count // lanes)
    same = tir.Shuffle(vectors, [tir.const(at, "int32")] * count)
    return same if same.dtype.startswith(number.dtype) else same.astype(f"{number.dtype}x{count}")


def _spread(body: tir.Stmt) -> list[_Number]:
    """Numbers that a body reads and spreads over vectors."""
    found: list[_Number] = []

    def visit(node) -> None:
        number = _spread_number(node)
        if number is not None:
            found.append(number)

    tir.stmt_functor.post_order_visit(body, visit)
    return found


def _spread_number(node) -> _Number | None:
    if not isinstance(node, tir.Broadcast) or int(node.lanes) % LANES:
        return None
    value = node.value
    for dtype in ("float32", "float16"):
        if _is_read(value, dtype):
            return _Number(value, value.indices[0], 1, dtype)
    if isinstance(value, tir.Cast) and value.dtype == "int32" and _is_read(value.value, "int16"):
        return _Number(value.value, value.value.indices[0], 1, "int32")
    return _bytes(value)


def _bytes(value: tir.PrimExpr) -> _Number | None:
    """Four neighbours of 8 bits as one number of 32, or two as one of 16."""
    if not isinstance(value, tir.Call) or value.dtype not in JOINED:
        return None
    if value.op.name != "tir.reinterpret":
        return None
    load, elements = value.args[0], JOINED[value.dtype]
    if not isinstance(load, tir.BufferLoad) or load.dtype not in _vectors(elements):
        return None
    index = load.indices[0]
    if load.buffer.dtype == load.dtype:  # TVM makes vectors the elements of what has only such
        return _Number(load, index, 1, value.dtype)
    if len(load.indices) != 1 or not isinstance(index, tir.Ramp) or int(index.stride) != 1:
        return None
    return _Number(load, index.base, elements, value.dtype)


def _vectors(elements: int) -> tuple[str, str]:
    return f"int8x{elements}", f"uint8x{elements}"


def _is_read(node: tir.PrimExpr, dtype: str) -> bool:
    return isinstance(node, tir.BufferLoad) and len(node.indices) == 1 and node.dtype == dtype


def _groups(numbers: Iterable[_Number]) -> dict[tir.Buffer, list[_Reads]]:
    groups: dict[tir.Buffer, list[_Reads]] = {}
    for number in numbers:
        base, offset = _place(number.place)
        own = groups.setdefault(number.load.buffer, [])
        group = _find(own, base)
        if group is None:
            group = _Reads(base, number.lanes)
            own.append(group)
        group.offsets.update(range(offset, offset + number.elements))
    return groups


def _find(groups: list[_Reads], base: tir.PrimExpr) -> _Reads | None:
    return next((g for g in groups if tvm.ir.structural_equal(g.base, base)), None)


def _place(index: tir.PrimExpr) -> tuple[tir.PrimExpr, int]:
    """An index as what depends on loops and a number."""
    index = tvm.arith.Analyzer().simplify(index)
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
