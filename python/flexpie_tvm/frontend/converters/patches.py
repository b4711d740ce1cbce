# SPDX-License-Identifier: Apache-2.0
"""Patches of images: put together (``Col2Im``), or taken where data say (``DeformConv``)."""

from __future__ import annotations

from itertools import product

import numpy as np
from tvm import relay

from .node import Node, integers, scalar, tensor


def col2im(node: Node) -> relay.Expr:
    """``Col2Im``: the sum of what each element of a window adds to the image.

    A window's element meets the image in steps of the strides: its values, spread apart and
    shifted, are an image; there are as many as a window has elements.
    """
    image = integers(node.known(1, "sizes of the image"))
    window = integers(node.known(2, "sizes of windows"))
    axes = len(image)
    strides, dilations = (node.get(name, [1] * axes) for name in ("strides", "dilations"))
    pads = node.get("pads", [0] * 2 * axes)
    padded = [n + a + b for n, a, b in zip(image, pads[:axes], pads[axes:], strict=True)]
    counts = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, d, s in zip(padded, window, dilations, strides, strict=True)
    ]
    batch, columns, blocks = node.shape()
    elements = int(np.prod(window))
    if columns % elements or int(np.prod(counts)) != blocks:
        raise node.error(f"{columns} x {blocks} values are not windows of {window} on {image}")
    x = relay.reshape(node.inputs[0], (batch, columns // elements, elements, *counts))
    zero, total = scalar(0, node.dtype()), None
    for k, place in enumerate(product(*map(range, window))):
        part = relay.squeeze(relay.strided_slice(x, [k], [k + 1], axes=[2]), [2])
        part = relay.nn.dilate(part, [1, 1, *strides])
        widths = [(0, 0), (0, 0)]
        for p, d, n, count, s in zip(place, dilations, padded, counts, strides, strict=True):
            widths.append((p * d, n - p * d - ((count - 1) * s + 1)))
        part = relay.nn.pad(part, widths, zero)
        total = part if total is None else total + part
    ends = [a + n for a, n in zip(pads[:axes], image, strict=True)]
    ones = [1] * axes
    return relay.strided_slice(total, pads[:axes], ends, ones, axes=list(range(2, 2 + axes)))


def deformable_conv(node: Node) -> relay.Expr:
    """``DeformConv``: samples, by their masks if there are any, then a convolution of 1 x 1.

    TVM's own has no masks, and samples other elements than the standard at the image's edge.
    """
    if len(node.shape()) != 4:
        raise node.error("only images have deformable convolutions")
    batch, channels, height, width = node.shape()
    (filters, _, *kernel), (_, _, *out) = node.shape(1), node.shape(2)
    ones, dtype, groups = [1, 1], node.dtype(), node.get("offset_group", 1)
    strides, dilations = node.get("strides", ones), node.get("dilations", ones)
    pads, elements = node.get("pads", [0] * 4), int(np.prod(kernel))
    offsets = relay.reshape(node.inputs[2], (batch, groups, elements, 2, *out))
    rows, columns = _places(kernel, out, strides, dilations, pads)
    shares = []
    for g in range(groups):
        own = relay.squeeze(relay.strided_slice(offsets, [g], [g + 1], axes=[1]), [1])
        places = []
        for k, (base, size) in enumerate(((rows, height), (columns, width))):
            place = relay.take(own, scalar(k, "int32"), axis=2) + tensor(base.astype(dtype))
            # where grid_sample without align_corners looks for this element
            place = (scalar(2, dtype) * place + scalar(1, dtype)) * scalar(1 / size, dtype)
            places.append(place - scalar(1, dtype))
        grid = relay.reshape(relay.stack(places[::-1], 1), (batch, 2, elements * out[0], out[1]))
        each = channels // groups
        part = relay.strided_slice(node.inputs[0], [g * each], [(g + 1) * each], axes=[1])
        seen = relay.image.grid_sample(part, grid, "bilinear", "NCHW", "zeros", False)
        shares.append(relay.reshape(seen, (batch, 1, each, elements, *out)))
    samples = relay.concatenate(shares, 1)
    if node.input(4) is not None:
        samples = samples * relay.reshape(node.inputs[4], (batch, groups, 1, elements, *out))
    samples = relay.reshape(samples, (batch, channels * elements, *out))
    kernels = relay.reshape(node.inputs[1], (filters, -1, 1, 1))
    result = relay.nn.conv2d(
        samples, kernels, groups=node.get("group", 1), channels=filters, kernel_size=(1, 1)
    )
    return result if node.input(3) is None else relay.nn.bias_add(result, node.inputs[3])


def _places(
    kernel: list[int], out: list[int], strides: list[int], dilations: list[int], pads: list[int]
) -> list[np.ndarray]:
    """Row and column of every element of every window, ``(elements, rows, columns)`` each."""
    grids = [
        np.arange(n)[None, :] * s + np.arange(k)[:, None] * d - p
        for n, s, k, d, p in zip(out, strides, kernel, dilations, pads[:2], strict=True)
    ]  # (window, out) of each axis
    shape = (*kernel, *out)
    rows = np.broadcast_to(grids[0][:, None, :, None], shape)
    columns = np.broadcast_to(grids[1][None, :, None, :], shape)
    return [g.reshape(-1, *out) for g in (rows, columns)]
