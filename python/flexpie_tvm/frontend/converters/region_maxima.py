# SPDX-License-Identifier: Apache-2.0
"""``RoiAlign`` of maxima.

The standard's evaluator and onnxruntime do not take the largest bilinear sample, but the largest
product of a neighbour's value and its share, over the four neighbours of each sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from tvm import relay

from .node import Node, dtype_of, scalar, tensor


@dataclass(frozen=True)
class _Neighbours:
    """The two elements beside each sample of an axis, ``(region, sample)``, and their shares."""

    places: tuple[relay.Expr, relay.Expr]
    shares: tuple[relay.Expr, relay.Expr]


def roi_maxima(node: Node, corners: relay.Expr, scale: float, half: bool) -> relay.Expr:
    """The largest products of all regions, ``(region, channel, row, column)``.

    Parameters
    ----------
    node : Node
        Its inputs are images, regions and the image of each region.
    corners : relay.Expr
        Left, top, right and bottom of each region in elements of its image, ``(region, 4)``.
    scale : float
        Elements of an image for each unit of the regions.
    half : bool
        Whether a region may be smaller than one element.
    """
    count, (_, channels, height, width) = node.shape(1)[0], node.shape()
    bins = node.get("output_height", 1), node.get("output_width", 1)
    samples, where = [], []
    for axis, (length, n) in enumerate(zip((height, width), bins, strict=True)):
        begin, end = (
            relay.strided_slice(corners, [k], [k + 1], axes=[1]) for k in (1 - axis, 3 - axis)
        )
        extent = end - begin if half else relay.maximum(end - begin, scalar(1, node.dtype()))
        shares = _sample_places(node, axis, n, scale, half)
        samples.append(shares.shape[1] // n)
        where.append(_neighbours(begin + extent * tensor(shares), length))
    images = relay.take(node.inputs[0], relay.cast(node.inputs[2], "int32"), axis=0)
    images = relay.transpose(images, (0, 2, 3, 1))
    products = [
        _products(images, where, (row, column), count) for row in (0, 1) for column in (0, 1)
    ]
    largest = reduce(relay.maximum, products)
    largest = relay.reshape(largest, (count, bins[0], samples[0], bins[1], samples[1], channels))
    return relay.transpose(relay.max(largest, (2, 4)), (0, 3, 1, 2))


def _sample_places(node: Node, axis: int, bins: int, scale: float, half: bool) -> np.ndarray:
    """Where samples are in a region, as shares of its extent, ``(1 or regions, bins * samples)``.

    As many samples as a bin has elements differ from region to region: those with fewer repeat
    their last one, which changes no maximum.
    """
    samples = node.get("sampling_ratio", 0)
    if samples:
        numbers = np.array([[samples]])
    else:
        regions = node.value(1)
        if regions is None:
            raise node.error("maxima need a sampling_ratio, or regions that are constants")
        corners = regions * np.array(scale, regions.dtype)
        extent = corners[:, 3 - axis] - corners[:, 1 - axis]
        extent = extent if half else np.maximum(extent, 1)
        numbers = np.ceil(extent / bins).astype(int)[:, None]
        if (numbers < 1).any():
            raise node.error("a region without extent has no samples: give a sampling_ratio")
    inside = np.minimum(np.arange(numbers.max())[None, :], numbers - 1) + 0.5
    places = np.arange(bins)[None, :, None] + (inside / numbers)[:, None, :]
    return (places / bins).reshape(len(numbers), -1).astype(node.dtype())


def _neighbours(x: relay.Expr, length: int) -> _Neighbours:
    """Those of places on an axis; outside of it nobody has a share."""
    dtype, last = dtype_of(x), length - 1
    inside = relay.logical_and(
        relay.greater_equal(x, scalar(-1, dtype)), relay.less_equal(x, scalar(length, dtype))
    )
    inside = relay.cast(inside, dtype)
    x = relay.minimum(relay.nn.relu(x), scalar(last, dtype))
    before = relay.floor(x)
    share = x - before
    after = relay.minimum(before + scalar(1, dtype), scalar(last, dtype))
    return _Neighbours(
        (relay.cast(before, "int32"), relay.cast(after, "int32")),
        ((scalar(1, dtype) - share) * inside, share * inside),
    )


def _products(
    images: relay.Expr, where: Sequence[_Neighbours], side: tuple[int, int], count: int
) -> relay.Expr:
    """One neighbour's value at all samples times its share, ``(region, y, x, channel)``."""
    rows, columns = (axis.places[k] for axis, k in zip(where, side, strict=True))
    down, along = (axis.shares[k] for axis, k in zip(where, side, strict=True))
    values = images
    for axis, places in enumerate((rows, columns), 1):
        values = relay.take(values, places, axis=axis, batch_dims=1)
    share = relay.expand_dims(down, 2) * relay.expand_dims(along, 1)
    return values * relay.expand_dims(share, 3)
