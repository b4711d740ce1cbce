# SPDX-License-Identifier: Apache-2.0
"""Where the onnx package's inference differs from the standard's text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx
from onnx import helper

from .windows import all_windows

Types = Mapping[str, onnx.TypeProto]


def corrected(node: onnx.NodeProto, found: Types, shape: tuple[int, ...] | None) -> Types:
    """Types of a node's results.

    Parameters
    ----------
    node : onnx.NodeProto
        The node.
    found : mapping
        Name -> type, as inferred.
    shape : tuple of int or None
        Of the first input, if it is known.
    """
    fix = FIXES.get(node.op_type)
    return found if fix is None or shape is None else fix(node, found, shape)


def _pool(node: onnx.NodeProto, found: Types, shape: tuple[int, ...]) -> Types:
    """Some versions count a window that begins behind the padding."""
    attributes = {
        a.name: a.s.decode() if a.type == a.STRING else helper.get_attribute_value(a)
        for a in node.attribute
    }
    counts = [w.count for w in all_windows(shape[2:], attributes)]
    return {
        name: helper.make_tensor_type_proto(kind.tensor_type.elem_type, [*shape[:2], *counts])
        for name, kind in found.items()
    }


def _conv_transpose(node: onnx.NodeProto, found: Types, shape: tuple[int, ...]) -> Types:
    """An output_shape that is smaller than the input leaves axes out."""
    kinds = {}
    for name, kind in found.items():
        kinds[name] = kind
        if len(kind.tensor_type.shape.dim) != len(shape):
            kinds[name] = onnx.TypeProto()
            kinds[name].tensor_type.elem_type = kind.tensor_type.elem_type
    return kinds


def _stft(node: onnx.NodeProto, found: Types, shape: tuple[int, ...]) -> Types:
    """Half of the frequencies are the default, also where a node does not say so."""
    if any(a.name == "onesided" for a in node.attribute):
        return found
    kinds = {}
    for name, kind in found.items():
        kinds[name] = onnx.TypeProto()
        kinds[name].CopyFrom(kind)
        dims = kinds[name].tensor_type.shape.dim
        if len(dims) == 4 and dims[2].HasField("dim_value"):
            dims[2].dim_value = dims[2].dim_value // 2 + 1
    return kinds


FIXES: dict[str, Callable[[onnx.NodeProto, Types, tuple[int, ...]], Types]] = {
    "AveragePool": _pool,
    "ConvTranspose": _conv_transpose,
    "LpPool": _pool,
    "MaxPool": _pool,
    "STFT": _stft,
}
