# SPDX-License-Identifier: Apache-2.0
"""Changes of type, quantized ones included."""

from __future__ import annotations

from tvm import relay

from ...errors import ModelError
from ..element_types import relay_type
from .blocks import quantize_blocks
from .node import Node


def cast(node: Node) -> relay.Expr:
    """``Cast``; ``saturate`` is of types of 8 bits only, which boards do not have."""
    kind = _type_named(node, node.get("to"))
    return _to(node, kind)


def cast_like(node: Node) -> relay.Expr:
    """``CastLike``: the type is that of a second tensor."""
    return _to(node, node.dtype(1))


def quantize(node: Node) -> relay.Expr:
    """``QuantizeLinear`` and ``DequantizeLinear``: a scale for all, each channel or each block."""
    if node.get("block_size", 0):
        return quantize_blocks(node)
    return node.as_stock(*node.inputs, **node.attributes)


def _type_named(node: Node, elem: int) -> str:
    """Relay's name of one of the standard's types, or an error of this node."""
    try:
        return relay_type(elem, "its result")
    except ModelError as error:
        raise node.error(str(error)) from None


def _to(node: Node, kind: str) -> relay.Expr:
    data, source = node.inputs[0], node.dtype()
    if source == kind:
        return node.unchanged()
    if (source, kind) == ("float64", "float16"):  # which LLVM leaves to a function TVM has not
        data = relay.cast(data, "float32")
    return relay.cast(data, kind)
