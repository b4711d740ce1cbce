# SPDX-License-Identifier: Apache-2.0
"""The values of an ONNX node whose inputs are constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

#: What draws other values each time; and integers of weights, which the importer needs as such.
KEPT = (
    "Bernoulli", "DequantizeLinear", "DynamicQuantizeLinear", "Multinomial", "QuantizeLinear",
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
)  # fmt: skip
IR_VERSION = 10


def evaluated(
    node: onnx.NodeProto, opset: int, inputs: Mapping[str, onnx.TensorProto]
) -> dict[str, onnx.TensorProto] | None:
    """Outputs of a node of constants, by name; None if it is not to be or cannot be evaluated.

    onnxruntime computes them where it is installed, the standard's own evaluator otherwise.

    Parameters
    ----------
    node : onnx.NodeProto
        A node of the standard's domain, without graphs in its attributes.
    opset : int
        The version of the standard that it follows.
    inputs : mapping
        Name -> value of its inputs.
    """
    if node.op_type in KEPT or node.domain not in ("", "ai.onnx"):
        return None
    names = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "constants",
        [helper.make_tensor_value_info(n, t.data_type, list(t.dims)) for n, t in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in names],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION
    )
    feeds = {name: numpy_helper.to_array(tensor) for name, tensor in inputs.items()}
    for run in (_by_onnxruntime, _by_the_standard):
        try:
            values = run(model, feeds)
            return {
                name: numpy_helper.from_array(np.asarray(value), name)
                for name, value in zip(names, values, strict=True)
            }
        except Exception:  # engines fail in ways of their own; the node is then left as it is
            continue
    return None


def _by_onnxruntime(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime as ort  # not a part of every install

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


def _by_the_standard(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return ReferenceEvaluator(model).run(None, feeds)
