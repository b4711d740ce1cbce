# SPDX-License-Identifier: Apache-2.0
"""``Attention`` of the standard's opset 23 (onnxruntime's own operator has the same name)."""

from __future__ import annotations

import math

import numpy as np
from tvm import relay

from ..local_types import type_of
from .node import Node, dtype_of, scalar, tensor


def attention(node: Node) -> list[relay.Expr]:
    """Softmax of scaled, capped and masked products of queries and keys, times values."""
    if node.asks(3):
        raise node.error("its fourth result is not known")
    dtype, flat = node.dtype(), len(node.shape()) == 3
    heads = [node.get("q_num_heads"), node.get("kv_num_heads"), node.get("kv_num_heads")]
    query, key, value = (
        _by_heads(x, shape, count) if flat else x
        for x, shape, count in zip(
            node.inputs[:3], [node.shape(k) for k in range(3)], heads, strict=True
        )
    )
    past = 0
    if node.input(4) is not None:
        past = node.shape(4)[2]
        key = relay.concatenate([node.inputs[4], key], 2)
        value = relay.concatenate([node.inputs[5], value], 2)
    present = [key, value]
    batch, count, rows, size = _shape(query)
    groups = count // _shape(key)[1]
    if groups > 1:
        key, value = (relay.repeat(x, groups, 1) for x in (key, value))
    columns = _shape(key)[2]
    scale = node.get("scale", 1 / math.sqrt(size))
    scores = relay.nn.batch_matmul(
        relay.reshape(query * scalar(scale, dtype), (-1, rows, size)),
        relay.reshape(key, (-1, columns, size)),
    )
    scores = relay.reshape(scores, (batch, count, rows, columns))
    cap = node.get("softcap", 0.0)
    mask = _mask(node, rows, columns, past, dtype)
    if cap:
        scores = relay.tanh(scores / scalar(cap, dtype)) * scalar(cap, dtype)
    if mask is not None:
        scores = scores + mask
    shares = relay.reshape(relay.nn.softmax(scores, -1), (-1, rows, columns))
    turned = relay.transpose(relay.reshape(value, (-1, columns, _shape(value)[3])), (0, 2, 1))
    result = relay.reshape(
        relay.nn.batch_matmul(shares, turned), (batch, count, rows, _shape(value)[3])
    )
    if flat:
        result = relay.reshape(relay.transpose(result, (0, 2, 1, 3)), (batch, rows, -1))
    return [result, *present]


def _by_heads(x: relay.Expr, shape: tuple[int, ...], count: int) -> relay.Expr:
    batch, length, features = shape
    return relay.transpose(
        relay.reshape(x, (batch, length, count, features // count)), (0, 2, 1, 3)
    )


def _shape(x: relay.Expr) -> tuple[int, ...]:
    return tuple(int(n) for n in type_of(x).shape)


def _mask(node: Node, rows: int, columns: int, past: int, dtype: str) -> relay.Expr | None:
    """What is added to products: the model's mask, and minus infinity for what comes later."""
    mask, far = node.input(3), scalar(-np.inf, dtype)
    if mask is not None and dtype_of(mask) == "bool":
        mask = relay.where(mask, scalar(0, dtype), far)
    if node.get("is_causal", 0):
        later = np.arange(columns) > np.arange(rows)[:, None] + past
        causal = tensor(np.where(later, -np.inf, 0).astype(dtype))
        mask = causal if mask is None else mask + causal
    return mask
