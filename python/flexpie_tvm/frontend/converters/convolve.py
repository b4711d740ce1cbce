# SPDX-License-Identifier: Apache-2.0
"""Convolutions that Relay has under other conditions."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, scalar, tensor

LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def conv_transpose(node: Node) -> relay.Expr:
    """``ConvTranspose``: padding as numbers, weights dilated beforehand.

    A result that is asked to be longer than the windows reach is zero (or the bias) behind them.
    """
    data, weights = node.inputs[:2]
    sizes, (_, channels, *kernel) = node.shape()[2:], node.shape(1)
    if len(sizes) not in LAYOUTS:
        raise node.error(f"convolutions of {len(sizes)} axes are not known, only of 1 to 3")
    ones, groups = [1] * len(sizes), node.get("group", 1)
    dilations, strides = node.get("dilations", ones), node.get("strides", ones)
    if any(d != 1 for d in dilations):
        weights = _dilated(node, dilations)
        kernel = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    before, after, more = _edges(node, sizes, kernel, strides)
    inside = [min(m, s - 1) for m, s in zip(more, strides, strict=True)]
    layout = LAYOUTS[len(sizes)]
    result = getattr(relay.nn, f"conv{len(sizes)}d_transpose")(
        data,
        weights,
        strides=strides,
        padding=[*before, *after],
        channels=channels * groups,
        kernel_size=kernel,
        groups=groups,
        data_layout=layout,
        kernel_layout=layout.replace("NC", "IO"),
        output_padding=inside,
    )
    behind = [(0, m - i) for m, i in zip(more, inside, strict=True)]
    if any(map(any, behind)):
        result = relay.nn.pad(result, [(0, 0), (0, 0), *behind], scalar(0, node.dtype()))
    return result if node.input(2) is None else relay.nn.bias_add(result, node.inputs[2])


def _edges(
    node: Node, sizes: tuple[int, ...], kernel: list[int], strides: list[int]
) -> tuple[list[int], list[int], list[int]]:
    """What is cut in front and behind of each axis, and what is added behind."""
    zeros = [0] * len(sizes)
    more = list(node.get("output_padding", zeros))
    mode, asked = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    if asked is None and not mode.startswith("SAME"):
        pads = zeros * 2 if mode == "VALID" else node.get("pads", zeros * 2)
        return list(pads[: len(sizes)]), list(pads[len(sizes) :]), more
    before, after = [], []
    for k, (n, window, stride) in enumerate(zip(sizes, kernel, strides, strict=True)):
        wanted = n * stride if asked is None else asked[len(asked) - len(sizes) + k]
        total = (n - 1) * stride + window + more[k] - wanted
        if total < 0 and asked is None and node.opset >= 11:
            raise node.error(
                f"auto_pad {mode} with a stride that windows do not fill means other sizes to "
                "the standard than to engines: give pads"
            )
        if total < 0:
            more[k] -= total if asked is not None else 0
            total = 0
        less, rest = total // 2, total - total // 2
        before.append(less if mode == "SAME_UPPER" else rest)
        after.append(rest if mode == "SAME_UPPER" else less)
    return before, after, more


def _dilated(node: Node, dilations: list[int]) -> relay.Expr:
    known = node.value(1)
    if known is None:
        return relay.nn.dilate(node.inputs[1], [1, 1, *dilations])
    sizes = [(k - 1) * d + 1 for k, d in zip(known.shape[2:], dilations, strict=True)]
    wide = np.zeros((*known.shape[:2], *sizes), known.dtype)
    wide[(slice(None), slice(None), *(slice(None, None, d) for d in dilations))] = known
    return tensor(wide)
