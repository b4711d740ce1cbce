# SPDX-License-Identifier: Apache-2.0
"""``FlexPiePreOptimize``: fold, fuse scales, lay out: what is best done on the whole model."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import relay

from ..kernels.context import build_context
from ..machine import FP16, FP32
from ..relay.attrs import plain_attrs
from ..relay.recurrent_op import map_bodies
from ..relay.rewrite import rewrite_main
from ..relay.targets import Targets, targets_of
from .blocking import block_layouts
from .fold import fold_constants
from .integers import run_in_integers
from .precision import check_not_quantized, check_precision, compute_in_half
from .scales import fold_scales
from .subpixel import subpixel_convolutions


def FlexPiePreOptimize(  # noqa: N802 - passes are named like classes in tvm.relay.transform
    target: Targets = "llvm", precision: str = FP32
) -> tvm.transform.Pass:
    """Prepare a module for partitioning (the first step of the paper's pipeline, after Xenos).

    Parameters
    ----------
    target : tvm.target.Target or str, or a sequence of them
        The boards' target or targets: they decide the layout of convolutions.

    precision : {"fp32", "fp16"}
        ``fp16`` narrows a float32 model for boards that compute in float16. Inputs and results
        keep their types.

    Returns
    -------
    pass : tvm.transform.Pass
        A module pass; equal results to the module it is given, but for the rounding of fp16.

    Raises
    ------
    InputError
        From the call, if a board has no fp16 arithmetic; from the pass, if fp16 is asked for and
        the model is quantized or of float64.
    """
    targets = targets_of(target)
    check_precision(precision, targets)

    @tvm.transform.module_pass(opt_level=0, name="FlexPiePreOptimize", required=["InferType"])
    def run(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
        with build_context(laid_out=False):  # what numpy does not fold, TVM compiles
            return preoptimize(mod, targets, precision)

    return run


def preoptimize(
    mod: tvm.IRModule, targets: Sequence[tvm.target.Target], precision: str = FP32
) -> tvm.IRModule:
    """Imported module -> module that is ready to be cut."""
    mod = map_bodies(mod, lambda body: preoptimize(body, targets, precision))
    if precision == FP16:
        check_not_quantized(mod)
    # Batch norms become scales and shifts; dropout goes.
    mod = relay.transform.SimplifyInference()(relay.transform.InferType()(mod))
    # Quantized models compute in integers.
    mod = run_in_integers(mod)
    mod = subpixel_convolutions(fold_constants(mod))
    mod = fold_scales(mod)
    mod = relay.transform.SimplifyExpr()(fold_constants(mod))
    mod = relay.transform.EliminateCommonSubexpr()(mod)
    # Tuples cannot be cut, slices can.
    mod = split_to_slices(mod)
    if precision == FP16:
        mod = fold_constants(compute_in_half(mod))
    mod = block_layouts(mod, targets)
    return fold_constants(mod)


def split_to_slices(mod: tvm.IRModule) -> tvm.IRModule:
    """Replace every ``split`` by one strided slice per part."""

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

    return rewrite_main(mod, change)


def _is_split(expr: relay.Expr) -> bool:
    return (
        isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op) and expr.op.name == "split"
    )
