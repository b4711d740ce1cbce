# SPDX-License-Identifier: Apache-2.0
"""``DFT`` and ``STFT`` as products with tables of cosines and sines."""

from __future__ import annotations

from dataclasses import dataclass

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
    signal = Signal(node.inputs[0], shape, dtype, axis)
    return _transformed(signal, length, bool(node.get("onesided", 0)), bool(node.get("inverse", 0)))


def stft(node: Node) -> relay.Expr:
    """Fourier transforms of frames of a signal, ``(batch, frames, frequencies, 2)``."""
    x, dtype = node.inputs[0], node.dtype()
    shape = node.shape()
    if len(shape) == 2:
        x, shape = relay.expand_dims(x, 2), (*shape, 1)
    step = int(node.known(1, "steps between frames").ravel()[0])
    window, asked = node.input(2), node.known(3, "lengths of frames")
    if asked is not None:
        length = int(asked.ravel()[0])
    else:
        length = node.shape(2)[0] if window is not None else shape[1]
    count = 1 + (shape[1] - length) // step
    places = np.arange(count)[:, None] * step + np.arange(length)[None, :]
    frames = relay.take(x, tensor(places.astype("int32")), axis=1)
    if window is not None:
        frames = frames * relay.reshape(window, (1, 1, length, 1))
    signal = Signal(frames, (shape[0], count, length, shape[2]), dtype, 2)
    return _transformed(signal, length, bool(node.get("onesided", 1)), False)


@dataclass(frozen=True)
class Signal:
    """What is transformed.

    Parameters
    ----------
    data : relay.Expr
        Its last axis holds real and imaginary parts, or real ones only.
    shape : tuple of int
        Of the data.
    dtype : str
        Of the data.
    axis : int
        Along which it is transformed.
    """

    data: relay.Expr
    shape: tuple[int, ...]
    dtype: str
    axis: int


def _transformed(signal: Signal, length: int, onesided: bool, inverse: bool) -> relay.Expr:
    shape, axis, dtype = signal.shape, signal.axis, signal.dtype
    rank = len(shape)
    rows = length // 2 + 1 if onesided else length
    turns = np.outer(np.arange(rows), np.arange(min(length, shape[axis]))) / length
    scale = 1 / length if inverse else 1.0
    cosines = (np.cos(2 * np.pi * turns) * scale).astype(dtype)
    sines = (np.sin(2 * np.pi * turns) * (scale if inverse else -scale)).astype(dtype)
    order = [*(a for a in range(rank - 1) if a != axis), axis]
    parts = [_part(signal, k, order, turns.shape[1]) for k in range(shape[-1])]
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


def _part(signal: Signal, k: int, order: list[int], count: int) -> relay.Expr:
    """Real or imaginary parts, what is transformed along the last of two axes."""
    ends = list(signal.shape)
    ends[-1], ends[signal.axis] = k + 1, count
    begins = [0] * (len(ends) - 1) + [k]
    part = relay.squeeze(relay.strided_slice(signal.data, begins, ends), [-1])
    return relay.reshape(relay.transpose(part, order), (-1, count))
