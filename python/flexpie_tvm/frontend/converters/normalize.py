# SPDX-License-Identifier: Apache-2.0
"""Normalizations, and the logarithm of a softmax."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, scalar


def log_softmax(node: Node) -> relay.Expr:
    """``LogSoftmax`` by way of the distance from the largest element, never of a quotient."""
    shape = node.shape()
    axis = node.get("axis", 1 if node.opset < 13 else -1) % max(len(shape), 1)
    axes = [axis] if node.opset >= 13 else list(range(axis, len(shape)))
    x = node.inputs[0]
    below = x - relay.max(x, axes, True)
    return below - relay.log(relay.sum(relay.exp(below), axes, True))


def group_normalization(node: Node) -> relay.Expr:
    """``GroupNormalization``; up to opset 20 it has one scale for each group."""
    data, scale, bias = node.inputs
    groups, channels = node.get("num_groups"), node.shape()[1]
    if node.opset < 21 and groups != channels:
        scale, bias = (relay.repeat(x, channels // groups, 0) for x in (scale, bias))
    return relay.nn.group_norm(data, scale, bias, groups, 1, node.get("epsilon", 1e-5))


def lp_normalization(node: Node) -> relay.Expr:
    """``LpNormalization``: divided by the sum of magnitudes, or by the root of squares' sum."""
    x, axis, dtype = node.inputs[0], node.get("axis", -1), node.dtype()
    if node.get("p", 2) == 1:
        norm = relay.sum(relay.abs(x), axis, True)
    else:
        norm = relay.sqrt(relay.sum(x * x, axis, True))
    return x / relay.maximum(norm, scalar(np.finfo(dtype).tiny, dtype))


def batch_normalization(node: Node) -> list[relay.Expr]:
    """``BatchNormalization``, also by the batch's own mean and variance."""
    data, scale, bias, mean, variance = node.inputs
    if node.get("spatial", 1) == 0:
        raise node.error("spatial = 0 is not known")
    epsilon = node.get("epsilon", 1e-5)
    if not node.get("training_mode", 0):
        if any(node.asks(k) for k in range(1, 5)):
            raise node.error("results of training are asked for, but training_mode is 0")
        return [relay.nn.batch_norm(data, scale, bias, mean, variance, 1, epsilon)[0]]
    dtype, shape = node.dtype(), node.shape()
    others = [axis for axis in range(len(shape)) if axis != 1]
    own_mean, own_variance = relay.mean(data, others), relay.variance(data, others)
    momentum = node.get("momentum", 0.9)
    old, new = scalar(momentum, dtype), scalar(1 - momentum, dtype)
    return [
        relay.nn.batch_norm(data, scale, bias, own_mean, own_variance, 1, epsilon)[0],
        mean * old + own_mean * new,
        variance * old + own_variance * new,
    ]
