# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite files made by hand: channels last, SAME padding, biases and activations fused."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


class TFLiteGraph:
    """A graph that grows operator by operator.

    Tensors are told by their numbers. ``relu`` fuses one into an operator.
    """

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.model = schema.ModelT()
        self.model.version, self.model.operatorCodes = 3, []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs, self.model.buffers = [self.graph], [schema.BufferT()]
        self.shapes: list[tuple[int, ...]] = []

    def tensor(self, name: str, shape: tuple[int, ...], data: np.ndarray | None = None) -> int:
        made = schema.TensorT()
        made.name, made.shape = name, list(shape)
        integers = data is not None and data.dtype == np.int32
        made.type = schema.TensorType.INT32 if integers else schema.TensorType.FLOAT32
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), "uint8")
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(made)
        self.shapes.append(tuple(shape))
        return len(self.graph.tensors) - 1

    def weights(self, *shape: int) -> int:
        values = self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        return self.tensor(f"weights{len(self.shapes)}", shape, values.astype("float32"))

    def add(self, kind: str, inputs: list[int], shape: tuple[int, ...], options=None) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
        code.version = 1
        self.model.operatorCodes.append(code)
        output = self.tensor(f"{kind.lower()}{len(self.shapes)}", shape)
        made = schema.OperatorT()
        made.opcodeIndex = len(self.model.operatorCodes) - 1
        made.inputs, made.outputs = inputs, [output]
        if options is not None:
            name = type(options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            made.builtinOptions = options
        self.graph.operators.append(made)
        return output

    def conv(self, data: int, channels: int, size: int, stride: int, relu: bool = False) -> int:
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        _same(options, relu)
        batch, height, width, inner = self.shapes[data]
        weights, bias = self.weights(channels, size, size, inner), self.weights(channels)
        shape = (batch, -(-height // stride), -(-width // stride), channels)
        return self.add("CONV_2D", [data, weights, bias], shape, options)

    def depthwise(self, data: int, size: int, stride: int) -> int:
        options = schema.DepthwiseConv2DOptionsT()
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = options.depthMultiplier = 1
        _same(options, True)
        batch, height, width, inner = self.shapes[data]
        weights, bias = self.weights(1, size, size, inner), self.weights(inner)
        shape = (batch, -(-height // stride), -(-width // stride), inner)
        return self.add("DEPTHWISE_CONV_2D", [data, weights, bias], shape, options)

    def sum(self, one: int, other: int) -> int:
        options = schema.AddOptionsT()
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        return self.add("ADD", [one, other], self.shapes[one], options)

    def max_pool(self, data: int) -> int:
        options = schema.Pool2DOptionsT()
        options.filterHeight = options.filterWidth = options.strideH = options.strideW = 2
        _same(options, False)
        batch, height, width, channels = self.shapes[data]
        return self.add(
            "MAX_POOL_2D", [data], (batch, -(-height // 2), -(-width // 2), channels), options
        )

    def flat(self, data: int) -> int:
        shape = (self.shapes[data][0], int(np.prod(self.shapes[data][1:])))
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        target = self.tensor("shape", (2,), np.array(shape, "int32"))
        return self.add("RESHAPE", [data, target], shape, options)

    def dense(self, data: int, outputs: int) -> int:
        options = schema.FullyConnectedOptionsT()
        weights, bias = self.weights(outputs, self.shapes[data][1]), self.weights(outputs)
        return self.add("FULLY_CONNECTED", [data, weights, bias], (1, outputs), options)

    def softmax(self, data: int) -> int:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        return self.add("SOFTMAX", [data], self.shapes[data], options)

    def save(self, path: Path, inputs: list[int], outputs: list[int]) -> Path:
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def _same(options, relu: bool) -> None:
    options.padding = schema.Padding.SAME
    kinds = schema.ActivationFunctionType
    options.fusedActivationFunction = kinds.RELU if relu else kinds.NONE


def mobile_tflite(path: Path) -> Path:
    """Strided, separable and residual layers, and a classifier behind them; odd sizes."""
    net = TFLiteGraph(91)
    image = net.tensor("image", (1, 35, 33, 3))
    first = net.conv(image, 16, 3, 2, relu=True)
    inner = net.conv(net.depthwise(first, 3, 1), 16, 1, 1)
    both = net.sum(first, inner)
    small = net.max_pool(net.conv(net.depthwise(both, 5, 1), 24, 1, 1, relu=True))
    last = net.conv(small, 4, 3, 1)
    return net.save(path, [image], [net.softmax(net.dense(net.flat(last), 10)), small])
