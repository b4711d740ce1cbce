# SPDX-License-Identifier: Apache-2.0
"""``FlexPiePreOptimize``: fold, fuse scales, lay out: what is best done on the whole model."""

from __future__ import annotations

import tvm
from tvm import relay

from .attrs import plain_attrs
from .blocking import block_layouts
from .fold import fold_constants
from .rewrite import rewrite


def FlexPiePreOptimize(  # noqa: N802 - passes are named like classes in tvm.relay.transform
    target: tvm.target.Target | str = "llvm",
) -> tvm.transform.Pass:
    """Prepare a module for partitioning (the first step of the paper's pipeline, after Xenos).

    Parameters
    ----------
    target : tvm.target.Target or str
        The boards' target: it decides the layout of convolutions.

    Returns
    -------
    pass : tvm.transform.Pass
        A module pass; equal results to the module it is given.
    """
    target = tvm.target.Target(target)

    @tvm.transform.module_pass(opt_level=0, name="FlexPiePreOptimize", required=["InferType"])
    def run(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
        with tvm.transform.PassContext(opt_level=3):
            return preoptimize(mod, target)

    return run


def preoptimize(mod: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
    """Imported module -> module that is ready to be cut."""
    # Batch norms become scales and shifts; dropout goes.
    mod = relay.transform.SimplifyInference()(relay.transform.InferType()(mod))
    mod = fold_constants(mod)
    # Scales move into the weights before or behind them.
    mod = relay.transform.BackwardFoldScaleAxis()(mod)
    mod = relay.transform.ForwardFoldScaleAxis()(mod)
    mod = relay.transform.SimplifyExpr()(fold_constants(mod))
    mod = relay.transform.EliminateCommonSubexpr()(mod)
    # Tuples cannot be cut, slices can.
    mod = split_to_slices(mod)
    mod = block_layouts(mod, target)
    return fold_constants(mod)


def split_to_slices(mod: tvm.IRModule) -> tvm.IRModule:
    """Replace every ``split`` by one strided slice per part."""
    mod = relay.transform.InferType()(mod)
    main = mod["main"]

    def change(old: relay.Expr, new: relay.Expr) -> relay.Expr:
        if not isinstance(new, relay.TupleGetItem) or not _is_split(new.tuple_value):
            return new
        whole = old.tuple_value.args[0].checked_type.shape
        axis = plain_attrs(new.tuple_value)["axis"] % len(whole)
        parts = old.tuple_value.checked_type.fields
        start = sum(int(p.shape[axis]) for p in parts[: new.index])
        stop = start + int(parts[new.index].shape[axis])
        return relay.strided_slice(
            new.tuple_value.args[0], [start], [stop], axes=[axis], slice_mode="end"
        )

    body = rewrite(main.body, change)
    changed = relay.Function(main.params, body, None, main.type_params, main.attrs)
    return relay.transform.InferType()(tvm.IRModule({mod.get_global_var("main"): changed}))


def _is_split(expr: relay.Expr) -> bool:
    return (
        isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op) and expr.op.name == "split"
    )
