# SPDX-License-Identifier: Apache-2.0
"""Constant scales of channels move into the weights before or behind them."""

from __future__ import annotations

import tvm
from tvm import relay
from tvm.relay import annotation

from ..relay.rewrite import rewrite_main

_MARK = "annotation.stop_fusion"


def fold_scales(mod: tvm.IRModule) -> tvm.IRModule:
    """TVM's FoldScaleAxis, but for scales that a model computes.

    TVM folds those too: the gates of squeeze-and-excite blocks then scale a whole matrix of
    weights in every inference, and change its layout, where the image has fewer elements.
    """
    mod = rewrite_main(mod, _hide)
    # what is marked is no product by a scale to these passes
    mod = relay.transform.BackwardFoldScaleAxis()(mod)
    mod = relay.transform.ForwardFoldScaleAxis()(mod)
    return rewrite_main(mod, _show)


def _hide(_: relay.Expr, new: relay.Expr) -> relay.Expr:
    """Mark products of two computed tensors, and what they are made of."""
    if not _calls(new, "multiply") or any(isinstance(x, relay.Constant) for x in new.args):
        return new
    marked = [annotation.stop_fusion(arg) for arg in new.args]
    return annotation.stop_fusion(relay.Call(new.op, marked, new.attrs))


def _show(_: relay.Expr, new: relay.Expr) -> relay.Expr:
    return new.args[0] if _calls(new, _MARK) else new


def _calls(expr: relay.Expr, name: str) -> bool:
    return (
        isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op) and expr.op.name == name
    )
