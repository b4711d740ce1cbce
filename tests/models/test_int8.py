# SPDX-License-Identifier: Apache-2.0
"""An int8 model, quantized by onnxruntime's static quantizer, over boards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import flexpie_tvm
from flexpie_tvm.relay import import_module
from flexpie_tvm.runtime import Cluster, run_whole
from flexpie_tvm.testing import emulate, emulate_whole
from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.random_plans import random_plan

SHAPE = (1, 3, 24, 24)


class Images(CalibrationDataReader):
    """A few random images to find the ranges of activations with."""

    def __init__(self, rng: np.random.Generator):
        self._images = iter([{"x": rng.normal(size=SHAPE).astype("float32")} for _ in range(4)])

    def get_next(self):
        return next(self._images, None)


def float_model(rng: np.random.Generator) -> onnx.ModelProto:
    """Two depthwise separable blocks with a residual, global pool and classifier."""
    nodes, weights = [], []

    def weight(name: str, *shape: int) -> str:
        array = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        weights.append(numpy_helper.from_array(array.astype("float32"), name))
        return name

    def conv(source: str, name: str, cin: int, cout: int, kernel: int, groups: int = 1) -> str:
        inputs = [source, weight(f"{name}_w", cout, cin // groups, kernel, kernel)]
        pads = [kernel // 2] * 4
        nodes.append(helper.make_node("Conv", inputs, [name], pads=pads, group=groups))
        nodes.append(helper.make_node("Relu", [name], [f"{name}_r"]))
        return f"{name}_r"

    y = conv("x", "stem", 3, 16, 3)
    for block in ("a", "b"):
        deep = conv(y, f"{block}_depthwise", 16, 16, 3, 16)
        wide = conv(deep, f"{block}_pointwise", 16, 16, 1)
        nodes.append(helper.make_node("Add", [y, wide], [f"{block}_sum"]))
        y = f"{block}_sum"
    nodes.append(helper.make_node("GlobalAveragePool", [y], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", weight("fc_w", 10, 16)], ["y"], transB=1))
    graph = helper.make_graph(
        nodes,
        "mobile",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 10))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model


@pytest.fixture(scope="module")
def quantized(tmp_path_factory) -> Path:
    """The QDQ model's file."""
    folder = tmp_path_factory.mktemp("int8")
    rng = np.random.default_rng(21)
    onnx.save(float_model(rng), str(folder / "float.onnx"))
    quantize_static(
        str(folder / "float.onnx"),
        str(folder / "int8.onnx"),
        Images(rng),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return folder / "int8.onnx"


def last_step(path: Path) -> float:
    """Quantization step of the model's output."""
    model = onnx.load(str(path))
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    last = [n for n in model.graph.node if n.op_type == "DequantizeLinear"][-1]
    return float(values[last.input[1]])


@pytest.mark.parametrize(("count", "scheme"), [(2, "InH"), (3, "OutC"), (4, "2D-grid")])
def test_answers_are_one_board_s_within_a_step(count, scheme, quantized, target, boards, tmp_path):
    whole = flexpie_tvm.load_onnx(quantized)
    assert "qnn." in whole.astext(show_meta_data=False)
    inputs = {"x": np.random.default_rng(22).normal(size=SHAPE).astype("float32")}
    (expected,) = run_whole(whole, target, inputs)
    assert len(np.unique(expected)) > 5
    annotated = flexpie_tvm.FlexPiePartition(count, scheme)(
        flexpie_tvm.FlexPiePreOptimize(target)(whole)
    )
    artifact = flexpie_tvm.build(annotated, target, tmp_path / "int8.flexpie")
    with (
        Cluster.connect((boards.host, boards.port), boards.key, count) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        (answer,) = deployment.run(inputs)
    assert np.abs(answer - expected).max() <= last_step(quantized) * 1.001


@pytest.mark.parametrize(("count", "seed"), [(3, 0), (7, 1)])
def test_random_plans_answer_within_a_step(count, seed, quantized, target):
    whole = flexpie_tvm.load_onnx(quantized)
    inputs = {"x": np.random.default_rng(22).normal(size=SHAPE).astype("float32")}
    evaluator = Evaluator()
    (expected,) = emulate_whole(whole, inputs, evaluator)
    optimized = flexpie_tvm.FlexPiePreOptimize(target)(whole)
    plan = random_plan(import_module(optimized).graph, count, SeededChoices(seed))
    (answer,) = emulate(plan, optimized, inputs, evaluator)
    assert np.abs(answer - expected).max() <= last_step(quantized) * 1.001
