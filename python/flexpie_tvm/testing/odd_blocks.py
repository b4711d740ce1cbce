# SPDX-License-Identifier: Apache-2.0
"""Blocks of operators that are met less often; see ``blocks``."""

from __future__ import annotations

import numpy as np
from tvm import relay


def copies(make, x, maps):
    """Elements once more: tile, repeat, or a stack that is flattened."""
    kind, axis = make.choices.pick(("repeat", "tile", "stack")), make.choices.integer(1, 3)
    if kind == "repeat":
        return relay.repeat(x, 2, axis)
    if kind == "tile":
        return relay.tile(x, tuple(2 if k == axis else 1 for k in range(4)))
    shape = list(make.shape(x))
    shape[axis] *= 2
    return relay.reshape(relay.stack([x, relay.nn.relu(x)], axis), shape)


def picks(make, x, maps):
    """Some rows, columns or channels, by constant indices."""
    axis = make.choices.integer(1, 3)
    size = make.shape(x)[axis]
    index = [make.choices.integer(0, size - 1) for _ in range(make.choices.integer(1, 4))]
    return relay.take(x, relay.const(np.array(index, "int32")), axis, mode="clip")


def gathers(make, x, maps):
    """Each element from another place along an axis."""
    shape, axis = make.shape(x), make.choices.integer(1, 3)
    index = make.rng.integers(0, shape[axis], shape)
    return relay.gather(x, axis, relay.const(index.astype("int64")))


def mirrors(make, x, maps):
    """Mirrored padding, as wide as the image allows."""
    width = [(0, 0)]
    mode = make.choices.pick(("REFLECT", "SYMMETRIC"))
    for size in make.shape(x)[1:]:
        most = min(3, size - (mode == "REFLECT"))
        width.append((make.choices.integer(0, most), make.choices.integer(0, most)))
    return relay.nn.mirror_pad(x, width, mode)


def scans(make, x, maps):
    """Cumulative sums or a sort along an axis."""
    axis = make.choices.integer(1, 3)
    if make.choices.pick((True, False)):
        return relay.cumsum(x, axis)
    return relay.sort(x, axis=axis)


def selects(make, x, maps):
    """One of two values, by a comparison with a row of constants."""
    limit = make.weight(make.shape(x)[3])
    return relay.where(relay.greater(x, limit), x, relay.multiply(x, relay.const(-0.5)))


def reduces(make, x, maps):
    """Subtract a mean, or multiply with a maximum, over some axes."""
    axis = make.choices.pick(((1,), (2,), (3,), (2, 3), (1, 2, 3)))
    if make.choices.pick((True, False)):
        return relay.subtract(x, relay.mean(x, axis, keepdims=True))
    return relay.multiply(x, relay.sigmoid(relay.max(x, axis, keepdims=True)))


def transposes(make, x, maps):
    """Any order of channels, rows and columns."""
    orders = ((0, 1, 3, 2), (0, 2, 1, 3), (0, 3, 2, 1), (0, 2, 3, 1), (0, 3, 1, 2))
    return relay.transpose(x, make.choices.pick(orders))


def regroups(make, x, maps):
    """The same elements in another shape: axes are merged and split."""
    _, channels, height, width = make.shape(x)
    shapes = (
        (1, channels * height, 1, width),
        (1, channels, 1, height * width),
        (1, channels, width, height),
        (1, height, channels, width),
        (1, 1, channels * height, width),
    )
    return relay.reshape(x, make.choices.pick(shapes))


def splits_unevenly(make, x, maps):
    """A split into single channels, some of which are summed."""
    parts = relay.split(x, make.shape(x)[1], 1)
    chosen = [parts[make.choices.integer(0, make.shape(x)[1] - 1)] for _ in range(3)]
    return relay.concatenate([relay.add(chosen[0], chosen[1]), chosen[2]], 1)


ODD = (
    copies,
    picks,
    gathers,
    mirrors,
    scans,
    selects,
    reduces,
    transposes,
    regroups,
    splits_unevenly,
)
