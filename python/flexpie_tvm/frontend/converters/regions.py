# SPDX-License-Identifier: Apache-2.0
"""Operators that look at places of an image which are data, such as ``RoiAlign``.

The mean of bilinear samples is a sum over rows of sums over columns: two products with matrices
of shares, one for each region.
"""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, scalar, tensor
from .region_maxima import roi_maxima


def roi_align(node: Node) -> relay.Expr:
    """``RoiAlign``: maxima, means of a known number of samples, or TVM's where it is right."""
    data, regions, batch = node.inputs
    half = node.opset >= 16 and (
        node.get("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    )
    samples, mode = node.get("sampling_ratio", 0), node.get("mode", "avg")
    scale = node.get("spatial_scale", 1.0)
    if mode == "avg" and samples == 0:
        return _by_tvm(node, half, scale)
    _, channels, height, width = node.shape()
    count, dtype = node.shape(1)[0], node.dtype()
    rows, columns = node.get("output_height", 1), node.get("output_width", 1)
    if half:
        corners = regions * scalar(scale, dtype) - scalar(0.5, dtype)
    else:
        corners = regions * scalar(scale, dtype)
    if mode == "max":
        return roi_maxima(node, corners, scale, half)
    left, top, right, bottom = (
        relay.strided_slice(corners, [k], [k + 1], axes=[1]) for k in range(4)
    )
    along_y = _shares(top, bottom, rows, samples, height, half, dtype)
    along_x = _shares(left, right, columns, samples, width, half, dtype)
    images = relay.take(data, relay.cast(batch, "int32"), axis=0)
    images = relay.reshape(images, (count, channels * height, width))
    images = relay.reshape(
        relay.nn.batch_matmul(images, along_x), (count, channels, height, columns)
    )
    images = relay.transpose(images, (0, 1, 3, 2))
    images = relay.reshape(images, (count, channels * columns, height))
    images = relay.reshape(relay.nn.batch_matmul(images, along_y), (count, channels, columns, rows))
    return relay.transpose(images, (0, 1, 3, 2))


def _shares(
    begin: relay.Expr,
    end: relay.Expr,
    bins: int,
    samples: int,
    length: int,
    half: bool,
    dtype: str,
) -> relay.Expr:
    """Share of each element of an axis in each bin of each region, ``(region, bin, length)``."""
    extent = end - begin
    if not half:
        extent = relay.maximum(extent, scalar(1, dtype))
    places = (np.arange(bins * samples) + 0.5) / (bins * samples)
    x = begin + extent * tensor(places.reshape(1, -1).astype(dtype))
    inside = relay.logical_and(
        relay.greater_equal(x, scalar(-1, dtype)), relay.less_equal(x, scalar(length, dtype))
    )
    x = relay.minimum(relay.nn.relu(x), scalar(length - 1, dtype))
    elements = tensor(np.arange(length).astype(dtype))
    distance = relay.abs(relay.expand_dims(x, 2) - elements)
    share = relay.nn.relu(scalar(1, dtype) - distance)
    share = share * relay.cast(relay.expand_dims(inside, 2), dtype)
    share = relay.reshape(share, (-1, bins, samples, length))
    return relay.mean(share, 2)


def _by_tvm(node: Node, half: bool, scale: float) -> relay.Expr:
    """TVM's, which knows no half pixels.

    Those shift the regions, unless a region is so small that TVM would widen it.
    """
    if not half:
        return node.as_stock(*node.inputs, **node.attributes)
    regions = node.value(1)
    if regions is None or ((regions[:, 2:] - regions[:, :2]) * scale < 1).any():
        raise node.error("half pixels need a sampling_ratio, or known regions of a pixel or more")
    shifted = tensor((regions - 0.5 / scale).astype(node.dtype()))
    attributes = {k: v for k, v in node.attributes.items() if k != "coordinate_transformation_mode"}
    return node.as_stock(node.inputs[0], shifted, node.inputs[2], **attributes)


def grid_sample(node: Node) -> relay.Expr:
    """``GridSample``: since opset 20 its modes are called as those of ``Resize``."""
    mode = node.get("mode", "linear")
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    if len(node.shape()) == 4:
        return node.as_stock(*node.inputs, **{**node.attributes, "mode": mode})
    if len(node.shape()) != 5 or mode == "bicubic":
        raise node.error("only images, and volumes by the nearest element or linearly, are sampled")
    return relay.image.grid_sample(
        node.inputs[0],
        relay.transpose(node.inputs[1], (0, 4, 1, 2, 3)),
        mode,
        "NCDHW",
        node.get("padding_mode", "zeros"),
        bool(node.get("align_corners", 0)),
    )


def non_max_suppression(node: Node) -> relay.Expr:
    """``NonMaxSuppression`` has as many results as the data say: boards cannot be planned."""
    ends = ", ".join(f"'{name}'" for name in node.names[:2])
    raise node.error(
        "its number of results depends on data; make its inputs the outputs of the model "
        f"({ends}) and suppress on the host"
    )


def unique(node: Node) -> relay.Expr | list[relay.Expr]:
    """``Unique`` of single elements, as far as TVM knows it; slices of an axis are not counted."""
    if node.get("axis") is not None and len(node.shape()) > 1:
        raise node.error(
            f"its number of results depends on data; make its input ('{node.names[0]}') an output "
            "of the model and do the rest on the host"
        )
    return node.as_stock(*node.inputs, **node.attributes)
