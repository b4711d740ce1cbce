# SPDX-License-Identifier: Apache-2.0
"""Pointwise functions."""

from __future__ import annotations

import math

import numpy as np
from tvm import relay

from .node import Node, scalar, tensor


def clip(node: Node) -> relay.Expr:
    """``Clip``: bounds are attributes up to opset 6, inputs since; either may be missing."""
    dtype = node.dtype()
    if node.opset < 11:
        low, high = node.get("min"), node.get("max")
        bounds = [None if b is None else scalar(b, dtype) for b in (low, high)]
    else:
        bounds = [node.input(1), node.input(2)]
    values = [b.data.numpy().item() if isinstance(b, relay.Constant) else None for b in bounds]
    data, (low, high) = node.inputs[0], values
    floats = dtype.startswith("float")
    if floats and None not in values and np.isfinite(values).all() and low <= high:
        return relay.clip(data, low, high)  # with the bounds turned TVM would give the lower one
    if floats and low == 0 and bounds[1] is None:
        return relay.nn.relu(data)
    for bound, apply in zip(bounds, (relay.maximum, relay.minimum), strict=True):
        if bound is not None:
            data = apply(data, _without_axes(bound))
    return node.unchanged() if data is node.inputs[0] else data


def softplus(node: Node) -> relay.Expr:
    """``Softplus`` as ``max(x, 0) + log(1 + exp(-|x|))``, which no large input makes infinite."""
    x, one = node.inputs[0], scalar(1, node.dtype())
    return relay.nn.relu(x) + relay.log(one + relay.exp(relay.negative(relay.abs(x))))


def mish(node: Node) -> relay.Expr:
    """``Mish``: x tanh(log(1 + e)) of e = exp(x) is x n / (n + 2) with n = e (e + 2).

    The logarithm would lose all of a small e, and a large one becomes infinite.
    """
    x, two = node.inputs[0], scalar(2, node.dtype())
    e = relay.exp(relay.minimum(x, scalar(20, node.dtype())))
    n = e * (e + two)
    return x * (n / (n + two))


def gelu(node: Node) -> relay.Expr:
    """``Gelu``: exact, or with the hyperbolic tangent in the place of the error function."""
    x, dtype = node.inputs[0], node.dtype()
    half, one = scalar(0.5, dtype), scalar(1, dtype)
    if node.get("approximate", "none") == "tanh":
        cube = x * x * x * scalar(0.044715, dtype)
        inner = relay.tanh((x + cube) * scalar(math.sqrt(2 / math.pi), dtype))
    else:
        inner = relay.erf(x * scalar(math.sqrt(0.5), dtype))
    return x * half * (one + inner)


def dropout(node: Node) -> list[relay.Expr]:
    """``Dropout`` as inference has it: the input, and a mask that keeps everything."""
    training = node.known(2, "training modes") if node.opset >= 12 else None
    ratio = node.value(1) if node.opset >= 12 else None
    if training is not None and bool(training.ravel()[0]) and (ratio is None or ratio.any()):
        raise node.error("training_mode is true: its results are random")
    kept = "bool" if node.opset >= 10 else node.dtype()
    results = [node.unchanged()]
    if node.asks(1):
        results.append(relay.ones(node.shape(), kept))
    return results


def mean(node: Node) -> relay.Expr:
    """``Mean`` of any number of tensors that are broadcast."""
    total = node.inputs[0]
    for other in node.inputs[1:]:
        total = total + other
    return total * scalar(1 / len(node.inputs), node.dtype())


def _without_axes(bound: relay.Expr) -> relay.Expr:
    if isinstance(bound, relay.Constant):
        return tensor(bound.data.numpy().reshape(()))
    return relay.reshape(bound, ())
