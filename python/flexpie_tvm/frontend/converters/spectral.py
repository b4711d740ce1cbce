# SPDX-License-Identifier: Apache-2.0
"""``DFT`` as products with tables of cosines and sines."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, integers, tensor


def dft(node: Node) -> relay.Expr:
    """Fourier transform along an axis; the last axis holds real and imaginary parts.

    The axis is an attribute up to opset 19, an input since.
    """
    shape, dtype = node.shape(), node.dtype()
    rank = len(shape)
    if node.opset < 20:
        axis = node.get("axis", 1) % rank
    else:
        given = node.known(2, "axes")
        axis = (-2 if given is None else int(given.ravel()[0])) % rank
    asked = node.known(1, "lengths")
    length = shape[axis] if asked is None else int(asked.ravel()[0])
    rows = length // 2 + 1 if node.get("onesided", 0) else length
    inverse = bool(node.get("inverse", 0))
    turns = np.outer(np.arange(rows), np.arange(min(length, shape[axis]))) / length
    scale = 1 / length if inverse else 1.0
    cosines = (np.cos(2 * np.pi * turns) * scale).astype(dtype)
    sines = (np.sin(2 * np.pi * turns) * (scale if inverse else -scale)).astype(dtype)
    order = [*(a for a in range(rank - 1) if a != axis), axis]
    parts = [_part(node, k, shape, axis, order, turns.shape[1]) for k in range(shape[-1])]
    real = [relay.nn.dense(p, tensor(cosines)) for p in parts]
    imaginary = [relay.nn.dense(p, tensor(sines)) for p in parts]
    if len(parts) == 2:
        results = [real[0] - imaginary[1], imaginary[0] + real[1]]
    else:
        results = [real[0], imaginary[0]]
    others = [shape[a] for a in order[:-1]]
    back = integers(np.argsort(order))
    turned = [relay.transpose(relay.reshape(r, (*others, rows)), back) for r in results]
    return relay.stack(turned, -1)


def _part(
    node: Node, k: int, shape: tuple[int, ...], axis: int, order: list[int], count: int
) -> relay.Expr:
    """Real or imaginary parts, what is transformed along the last of two axes."""
    ends = list(shape)
    ends[-1], ends[axis] = k + 1, count
    begins = [0] * (len(shape) - 1) + [k]
    part = relay.squeeze(relay.strided_slice(node.inputs[0], begins, ends), [-1])
    return relay.reshape(relay.transpose(part, order), (-1, count))
