# SPDX-License-Identifier: Apache-2.0
"""Write ONNX models layer by layer, with random weights that keep the variance."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8


class OnnxBuilder:
    """A graph under construction; every method adds nodes and returns the name of its result.

    Parameters
    ----------
    name : str
        Of the graph.
    seed : int
        Of the weights.
    """

    def __init__(self, name: str, seed: int = 0):
        self._name, self._rng = name, np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[int]) -> str:
        """A float32 input of the model."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def constant(self, value: np.ndarray) -> str:
        """A weight of given values."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, *shape: int, gain: float = 2.0) -> str:
        """A random weight whose first axis is the output."""
        scale = sqrt(gain / prod(shape[1:]))
        return self.constant(self._rng.normal(0, scale, shape).astype("float32"))

    def vector(self, size: int, low: float, high: float) -> str:
        """Random values from a range."""
        return self.constant(self._rng.uniform(low, high, size).astype("float32"))

    def node(self, op: str, *inputs: str, **attrs: object) -> str:
        """Any operator with one result."""
        result = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [result], **attrs))
        return result

    def conv(
        self, x: str, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> str:
        """A convolution that keeps the size at stride 1, with batch normalisation."""
        y = self.node(
            "Conv",
            x,
            self.weight(outputs, inputs // groups, kernel, kernel),
            kernel_shape=[kernel] * 2,
            pads=[kernel // 2] * 4,
            strides=[stride] * 2,
            group=groups,
        )
        scale, shift, mean = ((0.5, 1.5), (-0.1, 0.1), (-0.1, 0.1))
        parts = [self.vector(outputs, *r) for r in (scale, shift, mean, scale)]
        return self.node("BatchNormalization", y, *parts)

    def linear(self, x: str, inputs: int, outputs: int) -> str:
        """``x @ w + b`` over the last axis."""
        w = self._rng.normal(0, sqrt(1 / inputs), (inputs, outputs)).astype("float32")
        y = self.node("MatMul", x, self.constant(w))
        return self.node("Add", y, self.vector(outputs, -0.1, 0.1))

    def layer_norm(self, x: str, size: int) -> str:
        """As exporters write it: mean, subtract, power, square root, divide."""
        centred = self.node("Sub", x, self.node("ReduceMean", x, axes=[-1]))
        square = self.node("Pow", centred, self.constant(np.float32(2)))
        variance = self.node("ReduceMean", square, axes=[-1])
        root = self.node("Sqrt", self.node("Add", variance, self.constant(np.float32(1e-5))))
        scaled = self.node("Mul", self.node("Div", centred, root), self.vector(size, 0.5, 1.5))
        return self.node("Add", scaled, self.vector(size, -0.1, 0.1))

    def gelu(self, x: str) -> str:
        """Gaussian error linear unit by ``Erf``."""
        inner = self.node("Erf", self.node("Div", x, self.constant(np.float32(sqrt(2)))))
        grown = self.node("Mul", x, self.node("Add", inner, self.constant(np.float32(1))))
        return self.node("Mul", grown, self.constant(np.float32(0.5)))

    def save(self, output: str, shape: Sequence[int], path: Path) -> Path:
        """Write the model whose answer is ``output``.

        Parameters
        ----------
        output : str
            Name of a result.
        shape : sequence of int
            Its shape.
        path : Path
            The ``.onnx`` file.
        """
        info = helper.make_tensor_value_info(output, TensorProto.FLOAT, list(shape))
        graph = helper.make_graph(self._nodes, self._name, self._inputs, [info], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
        return path
