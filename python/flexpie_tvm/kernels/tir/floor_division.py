# SPDX-License-Identifier: Apache-2.0
"""Integer floor division without let-bindings.

TVM lowers ``floor(a / b)`` with a divisor of unknown sign to let-bindings. In a vectorized loop
they bind vectors, which LLVM 22 rejects ("location of #dbg_declare must be a pointer or
int"). The same value from truncating operators needs no binding:

    mod = a - trunc(a / b) * b          has the sign of a
    wrong = mod != 0 and sign(mod) != sign(b)
    floordiv = trunc(a / b) - wrong
    floormod = mod + wrong * b
"""

from __future__ import annotations

import tvm
from tvm import tir


def truncate_floor_divisions() -> tvm.transform.Pass:
    """A pass over kernels, for ``tir.add_lower_pass``."""

    def run(function: tir.PrimFunc, *_) -> tir.PrimFunc:
        body = tir.stmt_functor.ir_transform(
            function.body, None, _truncated, ["tir.FloorDiv", "tir.FloorMod"]
        )
        return function.with_body(body)

    return tir.transform.prim_func_pass(run, opt_level=0, name="TruncateFloorDivisions")


def _truncated(node: tir.FloorDiv | tir.FloorMod) -> tir.PrimExpr | None:
    a, b = node.a, node.b
    positive = isinstance(b, tir.IntImm) and b.value > 0
    if positive or not node.dtype.startswith("int"):
        return None  # lowered to shifts and selects, as is
    mod = tir.truncmod(a, b)
    zero = tir.const(0, node.dtype)
    wrong = tir.And(tir.NE(mod, zero), tir.LT(tir.bitwise_xor(mod, b), zero))
    if isinstance(node, tir.FloorMod):
        return tir.Select(wrong, mod + b, mod)
    return tir.Select(wrong, tir.truncdiv(a, b) - tir.const(1, node.dtype), tir.truncdiv(a, b))
