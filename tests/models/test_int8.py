# SPDX-License-Identifier: Apache-2.0
"""An int8 model, quantized by onnxruntime's static quantizer, over boards: bits are equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from tvm import relay

import flexpie_tvm
from flexpie_tvm.relay import import_module
from flexpie_tvm.relay.rewrite import post_order
from flexpie_tvm.runtime import Cluster
from flexpie_tvm.testing import emulate, emulate_whole
from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.int8_networks import last_step
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


def onnxruntime_answer(path: Path, inputs: dict) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(22).normal(size=SHAPE).astype("float32")}


@pytest.mark.parametrize(("count", "scheme"), [(2, "InH"), (3, "OutC"), (4, "2D-grid")])
def test_boards_answer_one_boards_bits(count, scheme, quantized, target, boards, inputs, tmp_path):
    whole = flexpie_tvm.load_onnx(quantized)
    module = flexpie_tvm.FlexPiePreOptimize(target)(whole)
    answers = []
    for number, cut in ((1, scheme), (count, scheme)):
        annotated = flexpie_tvm.FlexPiePartition(number, cut)(module)
        artifact = flexpie_tvm.build(annotated, target, tmp_path / f"{number}.flexpie")
        with (
            Cluster.connect((boards.host, boards.port), boards.key, number) as cluster,
            cluster.deploy(artifact) as deployment,
        ):
            answers += deployment.run(inputs)
    assert len(np.unique(answers[0])) > 5
    np.testing.assert_array_equal(*answers)
    expected = onnxruntime_answer(quantized, inputs)
    assert np.abs(answers[1] - expected).max() <= last_step(quantized) * 1.001


def test_convolutions_exchange_bytes(quantized, target):
    """All that travels is of 8 bits, but for what the mean before the classifier reads."""
    module = flexpie_tvm.FlexPiePreOptimize(target)(flexpie_tvm.load_onnx(quantized))
    lowered = flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(2, "InH")(module))
    for board in lowered.boards:
        calls = [n for n in post_order(board["main"].body) if isinstance(n, relay.Call)]
        exchanges = [n.attrs for n in calls if n.op.name == "flexpie.exchange"]
        dtypes = [str(attrs["dtype"]) for attrs in exchanges]
        assert dtypes[:-1] == ["uint8"] * 3
        assert len(dtypes) == 4


@pytest.mark.parametrize(("count", "seed"), [(3, 0), (4, 2), (7, 1)])
def test_random_plans_answer_the_uncut_models_bits(count, seed, quantized, target, inputs):
    optimized = flexpie_tvm.FlexPiePreOptimize(target)(flexpie_tvm.load_onnx(quantized))
    evaluator = Evaluator()
    (expected,) = emulate_whole(optimized, inputs, evaluator)
    plan = random_plan(import_module(optimized).graph, count, SeededChoices(seed))
    (answer,) = emulate(plan, optimized, inputs, evaluator)
    np.testing.assert_array_equal(answer, expected)
