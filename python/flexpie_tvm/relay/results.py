# SPDX-License-Identifier: Apache-2.0
"""Results that nothing computes: an input or a constant that the model also returns."""

from __future__ import annotations

import tvm
from tvm import relay

from .rewrite import with_body


def copy_results(mod: tvm.IRModule) -> tvm.IRModule:
    """Put a copy before every result that is an input or a constant.

    Boards own what they compute; a copy is computed, and so has an owner.
    """
    main = mod["main"]
    body = _copied(main.body)
    if body.same_as(main.body):
        return mod
    return with_body(mod, body)


def _copied(result: relay.Expr) -> relay.Expr:
    if isinstance(result, relay.Tuple):
        fields = [_copied(field) for field in result.fields]
        same = all(a.same_as(b) for a, b in zip(fields, result.fields, strict=True))
        return result if same else relay.Tuple(fields, result.span)
    return relay.copy(result) if isinstance(result, relay.Var | relay.Constant) else result
