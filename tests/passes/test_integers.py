# SPDX-License-Identifier: Apache-2.0
"""Quantized models become integers between operators; answers are onnxruntime's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tvm
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from tvm import relay

import flexpie_tvm
from flexpie_tvm.frontend.onnx_model import fix_shapes, import_onnx
from flexpie_tvm.passes.integer_kernels import integer_kernels
from flexpie_tvm.passes.requantize import quantized
from flexpie_tvm.relay.rewrite import post_order
from flexpie_tvm.testing import emulate_whole
from flexpie_tvm.testing.evaluate import Evaluator

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
UNSIGNED, SIGNED = QuantType.QUInt8, QuantType.QInt8
TYPES = [(UNSIGNED, SIGNED, True), (SIGNED, SIGNED, False), (UNSIGNED, UNSIGNED, False)]


class Inputs(CalibrationDataReader):
    """Random inputs to find the ranges of activations with."""

    def __init__(self, shape):
        rng = np.random.default_rng(3)
        self._all = iter([{"x": rng.normal(size=shape).astype("float32")} for _ in range(4)])

    def get_next(self):
        return next(self._all, None)


class Net:
    """Nodes and random weights of an ONNX model of one input ``x``."""

    def __init__(self, *shape: int):
        self.shape, self._nodes, self._weights = shape, [], []
        self._rng = np.random.default_rng(17)

    def weight(self, *shape: int) -> str:
        array = self._rng.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(array.astype("float32"), name))
        return name

    def node(self, kind: str, *inputs: str, **attrs) -> str:
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attrs))
        return name

    def conv(self, x: str, inputs: int, outputs: int, size: int, groups: int = 1, **attrs) -> str:
        weight, bias = self.weight(outputs, inputs // groups, size, size), self.weight(outputs)
        pads = attrs.pop("pads", [size // 2] * 4)
        return self.node("Conv", x, weight, bias, pads=pads, group=groups, **attrs)

    def save(self, path: Path) -> Path:
        self._nodes[-1].output[0] = "y"
        graph = helper.make_graph(
            self._nodes, "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], self._weights,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.save(model, str(path))
        return path


def convolutions() -> Net:
    """Other channels than blocks have; a frame that is not 0; groups; a stride; a residual."""
    net = Net(1, 3, 13, 15)
    y = net.node("Relu", net.conv("x", 3, 16, 3))
    z = net.conv(y, 16, 16, 3, strides=[2, 2])
    z = net.conv(z, 16, 16, 3, groups=16, pads=[1, 0, 1, 2])
    s = net.conv(y, 16, 16, 1, strides=[2, 2])
    z = net.node("Add", z, net.node("Slice", s, *_bounds(net, 8)))
    net.conv(net.conv(z, 16, 6, 1, groups=2), 6, 5, 3)
    return net


def _bounds(net: Net, stop: int) -> list[str]:
    names = []
    for name, value in (("starts", 0), ("ends", stop), ("axes", 3)):
        net._weights.append(numpy_helper.from_array(np.array([value], "int64"), name))
        names.append(name)
    return names


def pools() -> Net:
    """Pools, a concatenation of other scales, a mean, a classifier."""
    net = Net(1, 8, 12, 12)
    y = net.node("Relu", net.conv("x", 8, 16, 3))
    a = net.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    b = net.node("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = net.node("Concat", a, net.conv(b, 16, 8, 1), axis=1)
    y = net.node("Flatten", net.node("GlobalAveragePool", y))
    net.node("Gemm", y, net.weight(10, 24), net.weight(10), transB=1)
    return net


def matrices() -> Net:
    """Products of rows and weights, of two computed matrices, and of columns."""
    net = Net(6, 24)
    y = net.node("Relu", net.node("MatMul", "x", net.weight(24, 18)))
    z = net.node("MatMul", y, net.node("Transpose", y, perm=[1, 0]))
    net.node("MatMul", z, net.weight(6, 7))
    return net


NETS = {"convolutions": convolutions, "pools": pools, "matrices": matrices}


def ort(path: Path, inputs: dict) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def kinds(mod: tvm.IRModule) -> list[str]:
    return [n.op.name for n in post_order(mod["main"].body) if isinstance(n, relay.Call)]


def step(path: Path) -> float:
    """Quantization step of the model's output."""
    model = onnx.load(str(path))
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    last = [n for n in model.graph.node if n.op_type == "DequantizeLinear"][-1]
    return float(values[last.input[1]])


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=["qdq", "qoperator"])
@pytest.mark.parametrize("types", TYPES, ids=["u8s8-channel", "s8s8", "u8u8"])
@pytest.mark.parametrize("name", NETS)
def test_static_models_answer_within_a_step(name, types, form, tmp_path):
    net = NETS[name]()
    data, weights, per_channel = types
    path = tmp_path / "quantized.onnx"
    quantize_static(
        str(net.save(tmp_path / "float.onnx")), str(path), Inputs(net.shape), quant_format=form,
        activation_type=data, weight_type=weights, per_channel=per_channel,
    )  # fmt: skip
    module = flexpie_tvm.FlexPiePreOptimize(ARM)(flexpie_tvm.load_onnx(path))
    assert not [kind for kind in kinds(module) if kind.startswith("qnn.")]
    inputs = {"x": np.random.default_rng(4).normal(size=net.shape).astype("float32")}
    (answer,) = emulate_whole(module, inputs, Evaluator())
    expected = ort(path, inputs)
    assert len(np.unique(expected)) > 5
    assert np.abs(answer - expected).max() <= step(path) * 1.001


@pytest.mark.parametrize("weights", [SIGNED, UNSIGNED], ids=["s8", "u8"])
@pytest.mark.parametrize("name", ["convolutions", "matrices"])
def test_dynamic_models_answer_like_onnxruntime(name, weights, tmp_path):
    net = NETS[name]()
    path = tmp_path / "quantized.onnx"
    quantize_dynamic(str(net.save(tmp_path / "float.onnx")), str(path), weight_type=weights,
                     op_types_to_quantize=["Conv", "MatMul"])  # fmt: skip
    module = flexpie_tvm.FlexPiePreOptimize(ARM)(flexpie_tvm.load_onnx(path))
    inputs = {"x": np.random.default_rng(4).normal(size=net.shape).astype("float32")}
    (answer,) = emulate_whole(module, inputs, Evaluator())
    expected = ort(path, inputs)
    # data are rounded to 256 steps of their own range: a number at the border may fall either way
    assert np.abs(answer - expected).max() <= np.ptp(expected) / 255
    products = [n for n in post_order(module["main"].body) if isinstance(n, relay.Call)
                and n.op.name in ("nn.dense", "nn.contrib_conv2d_NCHWc")]  # fmt: skip
    found = {n.args[1].checked_type.dtype for n in products}
    # weights less their zero point, and float32 where both matrices are computed
    narrow = {"int8"} if weights == SIGNED else {"int8", "int16"}
    assert found & narrow
    assert found <= narrow | ({"float32"} if name == "matrices" else set())


def test_halves_are_rounded_to_the_even_number_and_the_rest_is_cut_off():
    x = np.array([-300, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.4999, 300, 1e9, -1e9], "float32")
    var = relay.var("x", shape=x.shape)
    for dtype, zero in (("uint8", 7), ("int8", -3), ("uint8", 0)):
        mod = tvm.IRModule.from_expr(quantized(var, relay.const(zero), dtype))
        (got,) = emulate_whole(relay.transform.InferType()(mod), {"x": x}, Evaluator(False))
        info = np.iinfo(dtype)
        expected = np.clip(np.rint(x) + zero, info.min, info.max)
        np.testing.assert_array_equal(got, expected.astype(dtype))


def test_a_model_that_is_not_quantized_is_left_alone(small_onnx):
    module = flexpie_tvm.load_onnx(small_onnx, {"image": (1, 3, 16, 16)})
    assert "cast" not in kinds(flexpie_tvm.FlexPiePreOptimize(ARM)(module))


def test_signed_data_become_unsigned_and_are_padded_in_the_kernel(tmp_path):
    net = pools()
    path = tmp_path / "quantized.onnx"
    quantize_static(
        str(net.save(tmp_path / "float.onnx")), str(path), Inputs(net.shape),
        quant_format=QuantFormat.QDQ, activation_type=SIGNED, weight_type=SIGNED,
    )  # fmt: skip
    module = flexpie_tvm.FlexPiePreOptimize(ARM)(flexpie_tvm.load_onnx(path))
    data = [n.args[0].checked_type.dtype for n in post_order(module["main"].body)
            if isinstance(n, relay.Call) and n.op.name == "nn.contrib_conv2d_NCHWc"]  # fmt: skip
    assert data == ["uint8"] * 2
    board = integer_kernels(module, tvm.target.Target(ARM))
    assert kinds(board).count("flexpie.integer_conv2d") == 2
    assert kinds(board).count("flexpie.integer_dense") == 1


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scales_of_an_axis_may_be_inputs(axis):
    size, shape = (2, 3, 4)[axis], (2, 3, 4)
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["real"], axis=axis),
        helper.make_node("Neg", ["real"], ["negative"]),
        helper.make_node("QuantizeLinear", ["negative", "scale", "zero"], ["y"], axis=axis),
    ]
    kinds_of = {"x": (TensorProto.UINT8, shape), "scale": (TensorProto.FLOAT, [size]),
                "zero": (TensorProto.UINT8, [size])}  # fmt: skip
    given = [helper.make_tensor_value_info(name, *kind) for name, kind in kinds_of.items()]
    results = [helper.make_tensor_value_info("real", TensorProto.FLOAT, shape),
               helper.make_tensor_value_info("y", TensorProto.UINT8, shape)]  # fmt: skip
    graph = helper.make_graph(nodes, "net", given, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    rng = np.random.default_rng(11)
    inputs = {
        "x": rng.integers(0, 256, shape).astype("uint8"),
        "scale": rng.uniform(0.5, 2, size).astype("float32"),
        "zero": rng.integers(100, 150, size).astype("uint8"),
    }
    imported = import_onnx(model, fix_shapes(model, {}, "net"), "net")
    module = flexpie_tvm.FlexPiePreOptimize(ARM)(imported)
    assert not [kind for kind in kinds(module) if kind.startswith("qnn.")]
    answers = emulate_whole(module, inputs, Evaluator())
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for answer, expected in zip(answers, session.run(None, inputs), strict=True):
        np.testing.assert_allclose(answer, expected, rtol=1e-6)
