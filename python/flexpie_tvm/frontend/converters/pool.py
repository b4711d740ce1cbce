# SPDX-License-Identifier: Apache-2.0
"""Pools: windows that begin inside the input or its padding in front, never behind.

With ``ceil_mode`` the last window may reach beyond what is padded. Relay's own ceil mode also
adds a window that begins there, so the padding behind is worked out here, as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tvm import relay

from ..windows import UNFILLED, Windows, all_windows, unfilled
from .node import Node, scalar, tensor

LAYOUTS = {1: "NCW", 2: "NCHW", 3: "NCDHW"}


def axes_of(node: Node) -> list[Windows]:
    """Windows along each axis behind batch and channels."""
    sizes = node.shape()[2:]
    if len(sizes) not in LAYOUTS:
        raise node.error(f"pools of {len(sizes)} axes are not known, only of 1 to 3")
    found = all_windows(sizes, node.attributes)
    if any(w.count < 1 for w in found):
        raise node.error("a window is larger than the padded input")
    if node.get("auto_pad", "").startswith("SAME") and any(
        unfilled(n, (w.size - 1) * w.dilation + 1, w.stride)
        for n, w in zip(sizes, found, strict=True)
    ):
        raise node.error(UNFILLED)
    return found


def max_pool(node: Node) -> list[relay.Expr]:
    """``MaxPool``, and where its largest elements are if somebody reads that."""
    axes = axes_of(node)
    results = [_pooled("max", node.inputs[0], axes, [w.before for w in axes])]
    if node.asks(1):
        results.append(_places(node, axes))
    return results


def average_pool(node: Node) -> relay.Expr:
    """``AveragePool``; what ceil mode adds behind the padding never counts."""
    axes, data = axes_of(node), node.inputs[0]
    if not node.get("count_include_pad", 0):
        return _pooled("avg", data, axes, [w.before for w in axes])
    data = _padded(data, [(w.before, min(w.after, w.reach)) for w in axes], 0, node.dtype())
    inside = [
        Windows(w.size, w.stride, w.dilation, 0, 0, w.count, max(w.reach - w.after, 0))
        for w in axes
    ]
    return _pooled("avg", data, inside, [0] * len(axes))


def lp_pool(node: Node) -> relay.Expr:
    """``LpPool``: the p-th root of the sum of p-th powers."""
    axes, dtype, p = axes_of(node), node.dtype(), node.get("p", 2)
    powers = relay.power(relay.abs(node.inputs[0]), scalar(p, dtype))
    powers = _padded(powers, [(w.before, w.reach) for w in axes], 0, dtype)
    inside = [Windows(w.size, w.stride, w.dilation, 0, 0, w.count, 0) for w in axes]
    mean = _pooled("avg", powers, inside, [0] * len(axes))
    count = int(np.prod([w.size for w in axes]))
    return relay.power(mean * scalar(count, dtype), scalar(1 / p, dtype))


def max_unpool(node: Node) -> relay.Expr:
    """``MaxUnpool``; indices count elements of the result, of whatever size it is asked for."""
    sizes, kernel = node.shape()[2:], node.get("kernel_shape")
    strides = node.get("strides", [1] * len(sizes))
    pads = node.get("pads", [0] * 2 * len(sizes))
    natural = [
        (n - 1) * s + k - pads[a] - pads[a + len(sizes)]
        for a, (n, s, k) in enumerate(zip(sizes, strides, kernel, strict=True))
    ]
    asked = node.known(2, "sizes")
    if asked is not None and list(asked[2:]) != natural:
        return _unpooled(node, [int(n) for n in asked])
    return node.as_stock(*node.inputs[:2], **node.attributes)


def _unpooled(node: Node, shape: Sequence[int]) -> relay.Expr:
    """The first input's elements at flat indices of zeros of a shape."""
    if tuple(shape[:2]) != node.shape()[:2]:
        raise node.error(f"a result of {list(shape)} has other images or channels than its input")
    zeros = tensor(np.zeros(int(np.prod(shape)), node.dtype()))
    flat = (relay.reshape(x, (-1,)) for x in reversed(node.inputs[:2]))
    return relay.reshape(relay.scatter_elements(zeros, *flat, 0), shape)


def _pooled(
    kind: str, data: relay.Expr, axes: Sequence[Windows], before: Sequence[int]
) -> relay.Expr:
    """Relay's pool, padded behind by what the last windows have there."""
    pool = getattr(relay.nn, f"{kind}_pool{len(axes)}d")
    options = {"count_include_pad": False} if kind == "avg" else {}
    return pool(
        data,
        pool_size=[w.size for w in axes],
        strides=[w.stride for w in axes],
        dilation=[w.dilation for w in axes],
        padding=[*before, *(w.reach for w in axes)],
        layout=LAYOUTS[len(axes)],
        **options,
    )


def _padded(
    data: relay.Expr, widths: Sequence[tuple[int, int]], value: float, dtype: str
) -> relay.Expr:
    if not any(map(any, widths)):
        return data
    return relay.nn.pad(data, [(0, 0), (0, 0), *widths], scalar(value, dtype))


def _places(node: Node, axes: Sequence[Windows]) -> relay.Expr:
    """Index of each window's first largest element in the whole input, flat.

    The elements at one place of all windows are a slice with strides. Slices are stacked in the
    order of places, the index of the largest is looked up in a table of offsets, and added to
    the offset of its window.
    """
    shape, dtype = node.shape(), node.dtype()
    least = -np.inf if dtype.startswith("float") else np.iinfo(dtype).min
    data = _padded(node.inputs[0], [(w.before, w.reach) for w in axes], least, dtype)
    places = np.stack(
        np.meshgrid(*[np.arange(w.size) * w.dilation for w in axes], indexing="ij"), -1
    ).reshape(-1, len(axes))
    slices = [
        relay.strided_slice(
            data,
            [0, 0, *(int(p) for p in place)],
            [shape[0], shape[1],
             *(int(p) + (w.count - 1) * w.stride + 1 for p, w in zip(place, axes, strict=True))],
            [1, 1, *(w.stride for w in axes)],
        )
        for place in places
    ]  # fmt: skip
    best = relay.argmax(relay.stack(slices, -1), -1)
    order = range(len(axes)) if not node.get("storage_order", 0) else reversed(range(len(axes)))
    steps, step = [0] * len(axes), 1
    for axis in reversed(list(order)):
        steps[axis] = step
        step *= shape[2 + axis]
    inside = relay.take(tensor((places * steps).sum(-1).astype("int64")), best)
    begins = np.zeros([w.count for w in axes], "int64")
    for k, w in enumerate(axes):
        begin = (np.arange(w.count) * w.stride - w.before) * steps[k]
        begins += begin.reshape([-1 if j == k else 1 for j in range(len(axes))])
    images = np.arange(shape[0] * shape[1], dtype="int64") * step
    images = images.reshape(*shape[:2], *[1] * len(axes))
    return inside + tensor(begins + images)
