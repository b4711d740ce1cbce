# SPDX-License-Identifier: Apache-2.0
"""Loops over tiles of which the last is smaller: the whole ones lose their conditions.

A schedule marks such a loop with ``loop_partition_hint``. TVM cuts loops of a known length only
where it is told to, and then all of them; so it is told for kernels with a mark alone.
"""

from __future__ import annotations

import tvm
from tvm import tir

MARK = "pragma_loop_partition_hint"
_CONST_LOOPS = {"tir.LoopPartition": {"partition_const_loop": True}}


def whole_tiles() -> tvm.transform.Pass:
    """A pass over kernels, for ``tir.add_lower_pass``, before loops are unrolled."""

    def run(module: tvm.IRModule, _) -> tvm.IRModule:
        changed = {
            name: _cut(name, function) if isinstance(function, tir.PrimFunc) else function
            for name, function in module.functions.items()
        }
        return tvm.IRModule(changed, attrs=module.attrs)

    return tvm.transform.module_pass(run, opt_level=0, name="WholeTiles")


def _cut(name: tvm.ir.GlobalVar, function: tir.PrimFunc) -> tir.PrimFunc:
    marked = False

    def visit(node) -> None:
        nonlocal marked
        marked |= isinstance(node, tir.AttrStmt) and node.attr_key == MARK

    tir.stmt_functor.post_order_visit(function.body, visit)
    if not marked:
        return function
    with tvm.transform.PassContext(config=_CONST_LOOPS):
        return tir.transform.LoopPartition()(tvm.IRModule({name: function}))[name]
