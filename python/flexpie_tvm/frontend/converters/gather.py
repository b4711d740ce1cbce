# SPDX-License-Identifier: Apache-2.0
"""Elements that are picked by indices, which ONNX may count from the end."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, dtype_of, scalar, tensor


def gather_elements(node: Node) -> relay.Expr:
    """``GatherElements``: axes that are picked from in part are cut to that part first."""
    data, indices = node.inputs
    shape, places = node.shape(), node.shape(1)
    axis = node.get("axis", 0) % len(shape)
    ends = [n if k == axis else m for k, (n, m) in enumerate(zip(shape, places, strict=True))]
    if tuple(ends) != shape:
        data = relay.strided_slice(data, [0] * len(shape), ends)
    return relay.gather(data, axis, from_front(indices, shape[axis]))


def gather_nd(node: Node) -> relay.Expr:
    """``GatherND``: the last axis of the indices says where, behind the axes of the batch."""
    data, indices = node.inputs
    batch, rank, depth = node.get("batch_dims", 0), len(node.shape(1)), node.shape(1)[-1]
    sizes = tensor(np.array(node.shape()[batch : batch + depth], dtype_of(indices)))
    turned = relay.transpose(from_front(indices, sizes), [rank - 1, *range(rank - 1)])
    return relay.gather_nd(data, turned, batch, depth)


def from_front(indices: relay.Expr, sizes: relay.Expr | int) -> relay.Expr:
    """Indices of which those below zero were counted from the end of axes of some sizes."""
    if isinstance(indices, relay.Constant):
        known = indices.data.numpy()
        size = sizes.data.numpy() if isinstance(sizes, relay.Constant) else sizes
        return tensor(np.where(known < 0, known + size, known).astype(known.dtype))
    kind = dtype_of(indices)
    length = scalar(sizes, kind) if isinstance(sizes, int) else sizes
    return relay.where(relay.less(indices, scalar(0, kind)), indices + length, indices)
