# SPDX-License-Identifier: Apache-2.0
"""Families of random layers, as Relay expressions over inputs of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from tvm import relay

from .draft import FEATURES, MOST_ELEMENTS, MOST_MACS, TOKENS, Draft


def _conv_shape(draft: Draft, window: tuple[int, int], per_output: Callable[[int, int], float]):
    """Channels and image of a convolution within bounds; small images are grown to the window."""
    while True:
        ins, outs = draft.channels(), draft.channels()
        rows, cols = draft.image(max(ins, outs))
        rows, cols = max(rows, window[0]), max(cols, window[1])
        if per_output(ins, outs) * rows * cols <= MOST_MACS:
            return ins, outs, rows, cols


def convolution(draft: Draft, window: tuple[int, int], groups: str = "one") -> relay.Expr:
    """A convolution with bias, activation and perhaps a residual; ``groups`` as named below."""
    area = prod(window)
    if groups == "depthwise":
        ins, outs, rows, cols = _conv_shape(draft, window, lambda i, o: i * area)
        outs, count = ins, ins
    elif groups == "grouped":
        count = int(draft.pick(2, 3, 4, 8, 32))
        ins, outs, rows, cols = _conv_shape(draft, window, lambda i, o: i * o * area)
        ins, outs = -(-ins // count) * count, -(-outs // count) * count
    else:
        ins, outs, rows, cols = _conv_shape(draft, window, lambda i, o: i * o * area)
        count = 1
    stride = (1, 1) if draft.chance(0.7) else draft.pick((2, 2), (2, 2), (2, 1), (4, 4))
    dilation = 2 if area > 1 and draft.chance(0.06) and min(rows, cols) > 2 * max(window) else 1
    padding = [k // 2 * dilation for k in window] if draft.chance(0.85) else [0, 0]
    x = relay.nn.conv2d(
        draft.input(1, ins, rows, cols),
        draft.weight(outs, ins // count, *window),
        strides=stride,
        padding=(*padding, *padding),
        dilation=(dilation, dilation),
        groups=count,
        channels=outs,
        kernel_size=window,
    )
    x = draft.biased(x, outs)
    if draft.chance(0.15):
        # The other branch of a residual comes from a layer in the same layout.
        image = [int(n) for n in relay.transform.InferTypeLocal(x).shape[2:]]
        x = relay.add(x, feature_map(draft, image, outs))
    return draft.activated(x)


def spatial_conv(draft: Draft) -> relay.Expr:
    """Any convolution with a window."""
    window = draft.pick((3, 3), (3, 3), (3, 3), (3, 3), (5, 5), (7, 7), (1, 3), (3, 1), (2, 2))
    return convolution(draft, window)


def pointwise_conv(draft: Draft) -> relay.Expr:
    """A 1x1 convolution."""
    return convolution(draft, (1, 1))


def depthwise_conv(draft: Draft) -> relay.Expr:
    """One filter per channel."""
    return convolution(draft, draft.pick((3, 3), (3, 3), (5, 5), (7, 7)), "depthwise")


def grouped_conv(draft: Draft) -> relay.Expr:
    """A convolution in groups."""
    return convolution(draft, draft.pick((1, 1), (3, 3)), "grouped")


def transposed_conv(draft: Draft) -> relay.Expr:
    """A convolution that enlarges."""
    kernel, stride, padding = draft.pick((2, 2, 0), (3, 2, 1), (4, 2, 1))
    while True:
        ins, outs, rows, cols = _conv_shape(draft, (2, 2), lambda i, o: i * o * kernel * kernel)
        if outs * rows * cols * stride * stride <= MOST_ELEMENTS:
            break
    x = relay.nn.conv2d_transpose(
        draft.input(1, ins, rows, cols),
        draft.weight(ins, outs, kernel, kernel),
        channels=outs,
        kernel_size=(kernel, kernel),
        strides=(stride, stride),
        padding=(padding, padding),
    )
    return draft.activated(draft.biased(x, outs))


def dense(draft: Draft) -> relay.Expr:
    """A matrix product with constant weights."""
    while True:
        rows, depth, units = (int(draft.pick(*c)) for c in (TOKENS, FEATURES, FEATURES))
        if rows * depth * units <= MOST_MACS and depth * units <= 4 * MOST_ELEMENTS:
            break
    x = relay.nn.dense(draft.input(rows, depth), draft.weight(units, depth))
    return draft.activated(draft.biased(x, units, axis=-1))


def batch_matmul(draft: Draft) -> relay.Expr:
    """Attention's products: heads x tokens x depth."""
    heads, depth = int(draft.pick(1, 2, 4, 8, 12, 16)), int(draft.pick(15, 32, 64, 80, 128))
    rows, cols = int(draft.pick(*TOKENS)), int(draft.pick(*TOKENS))
    transposed = draft.chance(0.5)
    a = draft.input(heads, rows, depth)
    b = draft.input(heads, cols, depth) if transposed else draft.input(heads, depth, cols)
    return relay.nn.batch_matmul(a, b, transpose_a=False, transpose_b=transposed)


def feature_map(draft: Draft, image: Sequence[int] | None = None, channels: int = 0) -> relay.Expr:
    """An image in the layout in which convolutions leave it: the output of one."""
    channels = channels or draft.channels()
    rows, cols = image or draft.image(channels)
    ins = draft.channels()
    while ins > 8 and ins * channels * rows * cols > MOST_MACS:
        ins = draft.channels()
    return relay.nn.conv2d(
        draft.input(1, ins, rows, cols),
        draft.weight(channels, ins, 1, 1),
        padding=(0, 0, 0, 0),
        channels=channels,
        kernel_size=(1, 1),
    )


def pool(draft: Draft) -> relay.Expr:
    """Windows and global ones."""
    rows, cols = draft.image()
    channels = draft.channels()
    while rows * cols * channels > MOST_ELEMENTS or min(rows, cols) < 3:
        (rows, cols), channels = draft.image(), draft.channels()
    x = feature_map(draft, (rows, cols), channels)
    if draft.chance(0.3):
        return draft.pick(relay.nn.global_avg_pool2d, relay.nn.global_max_pool2d)(x)
    size, stride = draft.pick((2, 2), (3, 2), (3, 1), (3, 3), (5, 1))
    which = draft.pick(relay.nn.max_pool2d, relay.nn.avg_pool2d)
    pad = size // 2 if size % 2 and draft.chance(0.7) else 0
    size = min(size, rows, cols)
    return which(x, pool_size=(size, size), strides=(stride, stride), padding=(pad, pad))


def elementwise(draft: Draft) -> relay.Expr:
    """Pointwise operators that no layer before them can take along."""
    channels, image = draft.channels(), draft.image(256)
    while image[0] * image[1] * channels > MOST_ELEMENTS:
        channels, image = draft.channels(), draft.image(256)
    x = feature_map(draft, image, channels)
    which = draft.pick("gate", "add", "scores", "gelu")
    if which == "gate":  # squeeze and excite: every channel times a number
        squeezed = relay.nn.global_avg_pool2d(x)
        return x * relay.sigmoid(squeezed)
    if which == "add":  # the pool keeps the sum from joining the convolution
        pooled = relay.nn.max_pool2d(x, (3, 3), padding=(1, 1)) if min(image) > 2 else x
        return draft.activated(relay.nn.relu(x) + pooled)
    rows, width = int(draft.pick(*TOKENS)), int(draft.pick(*FEATURES))
    plain = draft.input(rows, width)
    if which == "scores":
        return relay.nn.relu(plain * relay.const(np.float32(0.125)) + draft.input(rows, width))
    return plain * (relay.erf(plain * relay.const(np.float32(2**-0.5))) + relay.const(1.0))


def norm(draft: Draft) -> relay.Expr:
    """Softmax, layer norm, local response norm."""
    which = draft.pick("softmax", "softmax", "layer_norm", "lrn")
    if which == "lrn":
        return relay.nn.lrn(draft.input(1, int(draft.pick(32, 64, 96, 192)), *draft.image(192)))
    heads, rows = int(draft.pick(1, 1, 4, 8, 12)), int(draft.pick(*TOKENS))
    width = int(draft.pick(*FEATURES))
    x = draft.input(heads, rows, width)
    if which == "softmax":
        return relay.nn.softmax(x, axis=-1)
    return relay.nn.layer_norm(x, draft.weight(width), draft.weight(width))


def rearrange(draft: Draft) -> relay.Expr:
    """Operators that move elements: concatenate, resize, transpose, pad, slice, reshape."""
    channels, image = draft.channels(), draft.image(256)
    while image[0] * image[1] * channels > MOST_ELEMENTS / 4:
        channels, image = draft.channels(), draft.image(256)
    which = draft.pick(
        "concatenate", "concatenate", "resize", "resize", "transpose", "pad", "slice", "flat"
    )
    if which == "concatenate":
        others = [draft.channels() for _ in range(int(draft.pick(1, 1, 2, 3)))]
        parts = [feature_map(draft, image, c) for c in (channels, *others)]
        return relay.concatenate(parts, axis=1)
    x = feature_map(draft, image, channels)
    if which == "resize":
        method = draft.pick("nearest_neighbor", "nearest_neighbor", "linear")
        size = [2 * n for n in image]
        mode = "asymmetric" if method == "nearest_neighbor" else "half_pixel"
        return relay.image.resize2d(x, size, None, "NCHW", method, mode)
    if which == "transpose":
        return relay.transpose(
            draft.input(1, channels, *image), draft.pick((0, 2, 3, 1), (0, 1, 3, 2))
        )
    if which == "pad":
        return relay.nn.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), 0.0)
    if which == "slice" and channels > 1:
        return relay.strided_slice(x, [0], [channels // 2], axes=[1], slice_mode="end")
    return relay.nn.batch_flatten(x)


#: Family -> maker and how often it is drawn.
FAMILIES: dict[str, tuple[Callable[[Draft], relay.Expr], float]] = {
    "conv": (spatial_conv, 0.18),
    "pointwise": (pointwise_conv, 0.18),
    "depthwise": (depthwise_conv, 0.13),
    "grouped": (grouped_conv, 0.06),
    "transposed": (transposed_conv, 0.04),
    "dense": (dense, 0.1),
    "batch_matmul": (batch_matmul, 0.05),
    "pool": (pool, 0.1),
    "elementwise": (elementwise, 0.06),
    "norm": (norm, 0.04),
    "rearrange": (rearrange, 0.1),
}


def draw_family(draft: Draft, only: Sequence[str] = ()) -> relay.Expr:
    """A random layer of a random family, of ``only`` these if there are any."""
    names = list(only or FAMILIES)
    odds = np.array([FAMILIES[name][1] for name in names])
    name = names[int(draft.rng.choice(len(names), p=odds / odds.sum()))]
    return FAMILIES[name][0](draft)
