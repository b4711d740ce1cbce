# SPDX-License-Identifier: Apache-2.0
"""Operators of ``ai.onnx.ml`` that are one operator of tensors."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, scalar


def array_feature_extractor(node: Node) -> relay.Expr:
    """Columns by their numbers; a vector counts as one row."""
    shape, count = node.shape(), int(np.prod(node.shape(1)))
    columns = relay.reshape(node.inputs[1], (count,))
    picked = relay.take(node.inputs[0], columns, axis=len(shape) - 1)
    return relay.reshape(picked, (*(shape[:-1] or (1,)), count))


def binarizer(node: Node) -> relay.Expr:
    """1 above a threshold, else 0."""
    kind = node.dtype()
    above = relay.greater(node.inputs[0], scalar(node.get("threshold", 0.0), kind))
    return relay.cast(above, kind)
