# SPDX-License-Identifier: Apache-2.0
"""ONNX's products of integers in the types that Relay's importer takes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

#: From int8 to uint8.
LIFT = 128


def matching_signs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give int8 weights of ``MatMulInteger`` the type of data that are quantized as they come.

    onnxruntime's dynamic quantizer multiplies uint8 by int8, which the importer refuses. The
    weights and their zero points become uint8, 128 higher. A model without such products is
    returned as is.
    """
    values = {value.name: value for value in model.graph.initializer}
    unsigned = {
        node.output[0] for node in model.graph.node if node.op_type == "DynamicQuantizeLinear"
    }
    products = [
        node for node in model.graph.node
        if node.op_type == "MatMulInteger" and len(node.input) > 1 and node.input[0] in unsigned
        and node.input[1] in values and values[node.input[1]].data_type == onnx.TensorProto.INT8
    ]  # fmt: skip
    if not products:
        return model
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    names = {tuple(node.output) for node in products}
    made: dict[str, onnx.TensorProto] = {}
    for node in changed.graph.node:
        if node.op_type != "MatMulInteger" or tuple(node.output) not in names:
            continue
        weight = _lifted(values[node.input[1]], made)
        zero = node.input[3] if len(node.input) > 3 else ""
        if zero and zero not in values:
            return model
        inputs = list(node.input) + [""] * (4 - len(node.input))
        inputs[1], inputs[3] = weight, _lifted(values.get(zero), made)
        if not inputs[2]:
            inputs[2] = _zero(made)
        del node.input[:]
        node.input.extend(inputs)
    changed.graph.initializer.extend(made.values())
    return changed


def _lifted(value: onnx.TensorProto | None, made: dict[str, onnx.TensorProto]) -> str:
    """Name of the uint8 tensor in the place of an int8 one; of that of a zero if there is none."""
    name = f"{value.name if value is not None else ''}.uint8"
    if name not in made:
        array = np.int8(0) if value is None else numpy_helper.to_array(value)
        lifted = (np.asarray(array, "int16") + LIFT).astype("uint8")
        made[name] = numpy_helper.from_array(lifted, name)
    return name


def _zero(made: dict[str, onnx.TensorProto]) -> str:
    made["zero.uint8"] = numpy_helper.from_array(np.uint8(0), "zero.uint8")
    return "zero.uint8"
