# SPDX-License-Identifier: Apache-2.0
"""Types of expressions while a model is imported.

TVM's importer infers the whole of an expression anew wherever it asks for a type, so an import
takes time with the square of the model. What an expression is made of has its type already.
"""

from __future__ import annotations

import tvm
from tvm import relay
from tvm.topi.utils import get_const_tuple


def type_of(expr: relay.Expr) -> tvm.ir.Type:
    """An expression's type, from those of its parts."""
    return relay.transform.InferTypeLocal(expr)


def typed(expr: relay.Expr, mod: tvm.IRModule | None = None) -> relay.Expr:
    """As ``tvm.relay.frontend.common.infer_type``: the expression, with its type."""
    if mod is not None:
        return relay.frontend.common.infer_type(expr, mod)
    type_of(expr)
    return expr


def shape_of(expr: relay.Expr, mod: tvm.IRModule | None = None):
    """As ``tvm.relay.frontend.common.infer_shape``: a tuple, with None of TVM's for unknown."""
    kind = typed(expr, mod).checked_type
    return get_const_tuple(kind.shape) if hasattr(kind, "shape") else kind
