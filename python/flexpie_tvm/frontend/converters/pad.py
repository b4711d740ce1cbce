# SPDX-License-Identifier: Apache-2.0
"""``Pad``: with a constant, the edge, a mirror image or the other end."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, integers, scalar, tensor


def pad(node: Node) -> relay.Expr:
    """Pad a tensor; widths below zero cut it."""
    widths, dtype = _widths(node), node.dtype()
    mode = node.get("mode", "constant")
    data = _cut(node.inputs[0], widths, node.shape())
    shape = [n + min(a, 0) + min(b, 0) for n, (a, b) in zip(node.shape(), widths, strict=True)]
    widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    if not any(map(any, widths)):
        return node.unchanged() if data is node.inputs[0] else data
    if mode == "constant":
        value = _value(node, dtype)
        if dtype == "bool":
            padded = relay.nn.pad(relay.cast(data, "uint8"), widths, relay.cast(value, "uint8"))
            return relay.cast(padded, "bool")
        return relay.nn.pad(data, widths, value)
    near = all(max(pair) < n for pair, n in zip(widths, shape, strict=True))
    if mode == "edge" or (mode == "reflect" and near):
        return relay.nn.pad(data, widths, pad_mode=mode)
    if mode not in ("reflect", "wrap"):
        raise node.error(f"mode {mode} is not known")
    for axis, ((before, after), length) in enumerate(zip(widths, shape, strict=True)):
        if before or after:
            order = np.pad(np.arange(length), (before, after), mode).astype("int32")
            data = relay.take(data, tensor(order), axis=axis, mode="fast")
    return data


def _widths(node: Node) -> list[tuple[int, int]]:
    """Elements in front and behind of each axis."""
    rank = len(node.shape())
    if node.opset < 11:
        given = node.get("pads", node.get("paddings"))
    else:
        given = node.known(1, "pads")
    given = integers(np.ravel(given))
    axes = node.known(3, "axes") if node.opset >= 18 else None
    axes = range(rank) if axes is None else [int(axis) % rank for axis in axes.ravel()]
    if len(given) != 2 * len(axes):
        raise node.error(f"{len(given)} pads for {len(axes)} axes")
    widths = [(0, 0)] * rank
    for k, axis in enumerate(axes):
        widths[axis] = (given[k], given[k + len(axes)])
    return widths


def _value(node: Node, dtype: str) -> relay.Expr:
    if node.opset < 11:
        return scalar(node.get("value", 0.0), dtype)
    if node.input(2) is None:
        return scalar(0, dtype)
    known = node.value(2)
    return relay.reshape(node.input(2), ()) if known is None else scalar(known.ravel()[0], dtype)


def _cut(data: relay.Expr, widths: list[tuple[int, int]], shape: tuple[int, ...]) -> relay.Expr:
    if all(a >= 0 and b >= 0 for a, b in widths):
        return data
    begins = [max(-a, 0) for a, _ in widths]
    ends = [n + min(b, 0) for n, (_, b) in zip(shape, widths, strict=True)]
    return relay.strided_slice(data, begins, ends)
