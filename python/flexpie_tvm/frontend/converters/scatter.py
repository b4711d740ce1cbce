# SPDX-License-Identifier: Apache-2.0
"""Elements that are written at places which are data."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .gather import from_front
from .node import Node, dtype_of, tensor

#: The standard's reduction -> Relay's mode.
MODES = {"none": "update", "add": "add", "mul": "mul", "min": "min", "max": "max"}


def scatter_elements(node: Node) -> relay.Expr:
    """``ScatterElements``, and ``Scatter`` as it was called before opset 11."""
    data, indices, updates = node.inputs
    shape, places = node.shape(), node.shape(1)
    axis, mode = node.get("axis", 0) % len(shape), MODES[node.get("reduction", "none")]
    if all(n == m or k == axis for k, (n, m) in enumerate(zip(shape, places, strict=True))):
        return relay.scatter_elements(data, indices, updates, axis, mode)
    # Relay takes other axes for as long as the data's: every place by all of its coordinates
    kind = dtype_of(indices)
    grid = np.indices(places)
    rows = [
        from_front(indices, shape[axis]) if k == axis else tensor(grid[k].astype(kind))
        for k in range(len(shape))
    ]
    return relay.scatter_nd(data, relay.stack(rows, 0), updates, mode)


def scatter_nd(node: Node) -> relay.Expr:
    """``ScatterND``: the last axis of the indices says where."""
    data, indices, updates = node.inputs
    depth, rank = node.shape(1)[-1], len(node.shape(1))
    sizes = tensor(np.array(node.shape()[:depth], dtype_of(indices)))
    turned = relay.transpose(from_front(indices, sizes), [rank - 1, *range(rank - 1)])
    return relay.scatter_nd(data, turned, updates, MODES[node.get("reduction", "none")])
