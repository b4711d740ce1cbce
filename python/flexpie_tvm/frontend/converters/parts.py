# SPDX-License-Identifier: Apache-2.0
"""Parts of a tensor: pieces along an axis, and its largest or smallest elements."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, integers, scalar, tensor


def split(node: Node) -> list[relay.Expr]:
    """``Split``: sizes, or a number of pieces of which the last may be smaller."""
    shape = node.shape()
    axis = node.get("axis", 0) % len(shape)
    given = node.known(1, "sizes") if node.opset >= 13 else node.get("split")
    if given is not None and len(given):
        sizes = integers(given)
    else:
        count = node.get("num_outputs", len(node.outputs))
        each = -(-shape[axis] // count)
        sizes = [each] * (count - 1) + [shape[axis] - each * (count - 1)]
    if sum(sizes) != shape[axis] or min(sizes) < 0:
        raise node.error(f"pieces of {sizes} do not make {shape[axis]} elements")
    if len(sizes) == 1:
        return [node.unchanged()]
    found = relay.split(node.inputs[0], integers(np.cumsum(sizes[:-1])), axis)
    return [found[k] for k in range(len(sizes))]


def top_k(node: Node) -> list[relay.Expr]:
    """``TopK``: the largest or smallest elements and their places, sorted."""
    count = [node.get("k")] if node.opset < 10 else node.known(1, "numbers of elements")
    axis = node.get("axis", -1) % len(node.shape())
    found = relay.topk(
        node.inputs[0],
        int(np.ravel(count)[0]),
        axis,
        "both",
        is_ascend=not node.get("largest", 1),
        dtype="int64",
    )
    return [found[0], found[1]]


def unsqueeze(node: Node) -> relay.Expr:
    """``Unsqueeze``: new axes of one element, by their places in the result."""
    given = node.known(1, "axes") if node.opset >= 13 else node.get("axes")
    axes = integers(np.ravel(given))
    rank = len(node.shape()) + len(axes)
    shape = list(node.shape())
    for axis in sorted(a % rank for a in axes):
        shape.insert(axis, 1)
    return relay.reshape(node.inputs[0], shape)


def one_hot(node: Node) -> relay.Expr:
    """``OneHot``: indices below zero are counted from the end, others set nothing."""
    depth = int(np.ravel(node.known(1, "depths"))[0])
    kind, rank = node.dtype(2), len(node.shape())
    indices = relay.cast(node.inputs[0], "int64")
    indices = relay.where(
        relay.less(indices, scalar(0, "int64")), indices + scalar(depth, "int64"), indices
    )
    axis = node.get("axis", -1) % (rank + 1)
    places = np.arange(depth).reshape([-1 if k == axis else 1 for k in range(rank + 1)])
    there = relay.equal(relay.expand_dims(indices, axis), tensor(places.astype("int64")))
    off, on = (relay.reshape(relay.strided_slice(node.inputs[2], [k], [k + 1]), ()) for k in (0, 1))
    return relay.cast(relay.where(there, on, off), kind)
