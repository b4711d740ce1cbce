# SPDX-License-Identifier: Apache-2.0
"""The shape of an expression while a model is imported."""

from __future__ import annotations

import tvm
from tvm import relay

from .local_types import type_of


def static_shape(data: relay.Expr) -> list[int] | None:
    """An expression's shape, also where TVM sees it after folding alone; None for others."""
    kind = type_of(data)
    if relay.ty.is_dynamic(kind):
        main = relay.Function(relay.analysis.free_vars(data), data)
        mod = relay.transform.DynamicToStatic()(tvm.IRModule.from_expr(main))
        kind = relay.transform.InferType()(mod)["main"].body.checked_type
    return None if relay.ty.is_dynamic(kind) else [int(n) for n in kind.shape]
