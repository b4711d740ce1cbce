# SPDX-License-Identifier: Apache-2.0
"""``DynamicQuantizeLSTM`` of onnxruntime, which ``quantize_dynamic`` makes of an ``LSTM``.

Weights are stored in 8 bits, input features first. What they multiply is quantized as it comes,
with one scale: the whole sequence at once, and the hidden state at each step. Products of the
8 bits are exact in both engines, so they are computed here of what the 8 bits stand for.

Source: ``DynamicQuantizeLSTM`` in the contributed operators of onnxruntime, and the standard's
``DynamicQuantizeLinear``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tvm import relay

from .node import Node, dtype_of, scalar, tensor
from .recurrent import recurrent

LEVELS = 255
#: Scale and zero point behind an LSTM's own inputs, of weights and of the recurrence.
SCALES = {1: 8, 2: 10}


def dynamic_lstm(node: Node) -> list[relay.Expr]:
    """All results, as of ``LSTM``."""
    if node.input(4) is not None:
        raise node.error("lengths of sequences are not known where products are quantized")
    inputs = list(node.inputs[:8])
    for k, scale in SCALES.items():
        inputs[k] = tensor(_weights(node, k, scale))
    return recurrent(replace(node, operator="LSTM", inputs=inputs), _as_eight_bits)


def _weights(node: Node, k: int, scale: int) -> np.ndarray:
    """What quantized weights stand for, ``(directions, 4 * hidden, features)``."""
    stored = node.known(k, "weights")
    scales, zeros = node.known(scale, "scales"), node.known(scale + 1, "zero points")
    if stored is None or scales is None or stored.ndim != 3:
        raise node.error("weights of three dimensions and their scales are needed")
    zeros = np.zeros(scales.shape, stored.dtype) if zeros is None else zeros
    # one for a direction, or one for each of its columns
    steps, origins = (x.reshape(x.shape[0], 1, -1) for x in (scales, zeros.astype("int32")))
    exact = (stored.astype("int32") - origins).astype(scales.dtype) * steps
    return np.ascontiguousarray(exact.transpose(0, 2, 1))


def _as_eight_bits(x: relay.Expr) -> relay.Expr:
    """What is left of a tensor that is quantized to unsigned 8 bits, with 0 among its levels."""
    zero, levels = scalar(0, dtype_of(x)), scalar(LEVELS, dtype_of(x))
    least, most = relay.minimum(relay.min(x), zero), relay.maximum(relay.max(x), zero)
    step = (most - least) / levels
    step = relay.where(relay.equal(step, zero), relay.ones_like(step), step)
    origin = relay.round(relay.clip(zero - least / step, 0, LEVELS))
    stored = relay.clip(relay.round(x / step) + origin, 0, LEVELS)
    return (stored - origin) * step
