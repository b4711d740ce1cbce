# SPDX-License-Identifier: Apache-2.0
"""Powers whose exponent is a number of quarters, from square roots.

A power is a call of the C library for each element, and no vector survives it: normalising
local responses, with its usual exponent of 3/4, takes seven times as long as with square roots.
"""

from __future__ import annotations

import math

import tvm
from tvm import tir

MOST = 4.0


def root_powers() -> tvm.transform.Pass:
    """A pass over kernels, for ``tir.add_lower_pass``."""

    def run(function: tir.PrimFunc, *_) -> tir.PrimFunc:
        body = tir.stmt_functor.ir_transform(function.body, None, _from_roots, ["tir.Call"])
        return function.with_body(body)

    return tir.transform.prim_func_pass(run, opt_level=0, name="RootPowers")


def _from_roots(call: tir.Call) -> tir.PrimExpr | None:
    if call.op != tvm.ir.Op.get("tir.pow") or not call.dtype.startswith("float"):
        return None
    base, exponent = call.args
    if not isinstance(exponent, tir.FloatImm):
        return None
    quarters = exponent.value * 4
    if not 0 < exponent.value <= MOST or quarters != math.floor(quarters) or quarters % 4 == 0:
        return None  # LLVM knows whole exponents
    root = tir.sqrt(base)
    factors = [base] * int(quarters // 4)
    factors += [root] * (quarters % 4 >= 2) + [tir.sqrt(root)] * int(quarters % 2)
    infinite = tir.const(math.inf, call.dtype)
    # the only base whose power is not that of its roots
    return tir.Select(base == -infinite, infinite, math.prod(factors[1:], start=factors[0]))
