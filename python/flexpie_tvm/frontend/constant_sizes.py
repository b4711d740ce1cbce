# SPDX-License-Identifier: Apache-2.0
"""Constants whose data is not as long as their shape says.

onnx's own shape inference reads a constant without a look at its length, beyond the end of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper

from ..errors import ModelError

#: Bits of numbers of which several share a byte.
PACKED = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}


def check_constants(model: onnx.ModelProto) -> None:
    """Refuse a model with a constant that has more or less data than its shape says.

    Parameters
    ----------
    model : onnx.ModelProto
        External data is loaded.

    Raises
    ------
    ModelError
        It names the constant.
    """
    nodes = (node for function in model.functions for node in function.node)
    for tensor in (*_of_graph(model.graph), *_of_nodes(nodes)):
        _check(tensor)


def _of_graph(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[TensorProto]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
        for graph in (attribute.g, *attribute.graphs):
            yield from _of_graph(graph)


def _check(tensor: TensorProto) -> None:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type == TensorProto.UNDEFINED:
        return  # nobody reads the one; the other is refused where it is used
    dims, name = list(tensor.dims), tensor.name or "without a name"
    if any(size < 0 for size in dims):
        raise ModelError(f"constant {name!r} has the shape {dims}")
    try:
        wanted, unit = _wanted(tensor, math.prod(dims)), "bytes"
        found = len(tensor.raw_data)
        if not tensor.HasField("raw_data"):
            field = helper.tensor_dtype_to_field(tensor.data_type)
            found, unit = len(getattr(tensor, field)), "entries"
    except (KeyError, TypeError, ValueError):
        raise ModelError(f"constant {name!r} is of the unknown type {tensor.data_type}") from None
    if found != wanted:
        raise ModelError(
            f"constant {name!r} of shape {dims} has {found} {unit} of data, not {wanted}: "
            "the file is damaged"
        )


def _wanted(tensor: TensorProto, count: int) -> int:
    """Bytes of raw data, or entries of the field of a type, for so many numbers."""
    kind, raw = TensorProto.DataType.Name(tensor.data_type), tensor.HasField("raw_data")
    if kind in PACKED:
        return math.ceil(count * PACKED[kind] / 8)
    if raw:
        return count * np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    return 2 * count if kind.startswith("COMPLEX") else count
