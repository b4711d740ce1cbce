# SPDX-License-Identifier: Apache-2.0
"""``QuantizeLinear`` and ``DequantizeLinear`` with a scale for each block of an axis."""

from __future__ import annotations

import numpy as np
from tvm import relay

from ..element_types import relay_type
from .node import Node, dtype_of, scalar


def quantize_blocks(node: Node) -> relay.Expr:
    """Scales and zero points as often as a block is long, then element by element."""
    data, zero = node.inputs[0], node.input(2)
    scale = _spread(node, node.inputs[1], 1)
    if node.operator == "DequantizeLinear":
        kind = dtype_of(scale)
        x = relay.cast(data, "int32")
        x = x if zero is None else x - relay.cast(_spread(node, zero, 2), "int32")
        return relay.cast(x, kind) * scale
    asked = node.get("output_dtype", 0)
    kind = relay_type(asked, "its result") if asked else "uint8"
    kind = kind if zero is None else node.dtype(2)
    if not np.issubdtype(np.dtype(kind), np.integer):
        raise node.error(f"blocks of {kind} are not known, only of integers")
    x = relay.cast(half_to_even(relay.cast(data / scale, "float32"), "float32"), "int32")
    x = x if zero is None else x + relay.cast(_spread(node, zero, 2), "int32")
    limits = np.iinfo(kind)
    return relay.cast(relay.clip(x, int(limits.min), int(limits.max)), kind)


def half_to_even(x: relay.Expr, dtype: str) -> relay.Expr:
    """The next integer; the even one of two that are as near (Relay rounds away from zero)."""
    half, two = scalar(0.5, dtype), scalar(2, dtype)
    rounded = relay.floor(x + half)
    tie = relay.equal(x + half, rounded)
    odd = relay.not_equal(rounded - two * relay.floor(rounded / two), scalar(0, dtype))
    return relay.where(relay.logical_and(tie, odd), rounded - scalar(1, dtype), rounded)


def _spread(node: Node, values: relay.Expr, k: int) -> relay.Expr:
    """Values of blocks for each element; the last block may be shorter."""
    shape, given, size = node.shape(), node.shape(k), node.get("block_size")
    axis = node.get("axis", 1) % len(shape)
    wanted = [-(-n // size) if a == axis else n for a, n in enumerate(shape)]
    if list(given) != wanted:
        raise node.error(f"scales of {list(given)} are not those of blocks of {size}")
    spread = relay.repeat(values, size, axis)
    return relay.strided_slice(spread, [0], [shape[axis]], axes=[axis])
