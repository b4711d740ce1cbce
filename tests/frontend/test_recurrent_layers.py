# SPDX-License-Identifier: Apache-2.0
"""A recurrent network is one layer, and answers on several boards as onnxruntime does."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import tvm
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

import flexpie_tvm
from flexpie_tvm.cost import Analytic
from flexpie_tvm.frontend.onnx_model import fix_shapes, import_onnx
from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.plan import ClusterSpec, uniform_plan
from flexpie_tvm.plan.model.memory import memory_need
from flexpie_tvm.plan.predict.work import tile_work
from flexpie_tvm.relay import lower, partition, read_module
from flexpie_tvm.relay.recurrent_op import NAME, is_recurrent
from flexpie_tvm.relay.rewrite import post_order
from flexpie_tvm.runtime.compare import largest_error
from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.emulator import emulate, emulate_lowered
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.random_plans import random_plan
from flexpie_tvm.testing.tiles import run_module

LENGTH, BATCH, FEATURES, HIDDEN = 5, 3, 6, 8
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
TARGET = "llvm -mcpu=x86-64-v3"


@pytest.fixture(scope="module")
def evaluator():
    return Evaluator()


def network(
    kind: str, direction="forward", layout=0, lengths="", states=False, length=LENGTH, **more
) -> onnx.ModelProto:
    """A recurrent network of random weights between two products, all of whose results are read.

    Its lengths are none, an input or constants; its first states are inputs, or zeros.
    """
    rng, both = np.random.default_rng(11), 1 + (direction == "bidirectional")
    rows = (BATCH, length) if layout else (length, BATCH)
    results = ["y", "y_h", "y_c"][: 3 if kind == "LSTM" else 2]
    wide = GATES[kind] * HIDDEN
    shapes = {
        "first": (FEATURES, FEATURES), "w": (both, wide, FEATURES), "r": (both, wide, HIDDEN),
        "b": (both, 2 * wide), "last": (HIDDEN, 4),
    }  # fmt: skip
    weights = {name: (0.4 * rng.normal(size=s)).astype("float32") for name, s in shapes.items()}
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [*rows, FEATURES])]
    if lengths == "constant":
        weights["lengths"] = np.array([length, 2, 3][:BATCH], "int32")
    elif lengths:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [BATCH]))
    first = ["h", "c"][: len(results) - 1] if states else []
    shape = [BATCH, both, HIDDEN] if layout else [both, BATCH, HIDDEN]
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in first]
    read = ["entered", "w", "r", "b", lengths and "lengths", *first]
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["entered"]),
        helper.make_node(
            kind, read, results, hidden_size=HIDDEN, direction=direction,
            **({"layout": 1} if layout else {}), **more,
        ),
        helper.make_node("MatMul", ["y", "last"], ["z"]),
    ]  # fmt: skip
    given = ["z", *results[1:]]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in given]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, kind, inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def values_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    rng, made = np.random.default_rng(12), {}
    for value in model.graph.input:
        shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
        made[value.name] = rng.normal(size=shape).astype("float32")
    if "lengths" in made:
        made["lengths"] = np.array([4, 1, 5], "int32")
    return made


def imported(model: onnx.ModelProto) -> tvm.IRModule:
    return import_onnx(model, fix_shapes(model, {}, "a model"), "a model")


def by_onnxruntime(model: onnx.ModelProto, values) -> list[np.ndarray]:
    """On one thread: with several, scales of 8 bits are of parts of a batch."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    given = [model.SerializeToString(), options]
    return ort.InferenceSession(*given, providers=["CPUExecutionProvider"]).run(None, values)


def recurrent_layers(graph) -> list:
    return [x for x in graph.layers if graph.ops[x.anchor].kind == NAME]


NETWORKS = {
    "lstm": network("LSTM", states=True),
    "lstm, both ways, lengths": network("LSTM", "bidirectional", lengths="given"),
    "gru, both ways": network("GRU", "bidirectional", states=True, lengths="constant"),
    "gru, late reset, backwards": network("GRU", "reverse", linear_before_reset=1),
    "rnn, lengths, states": network("RNN", lengths="given", states=True),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_one_layer_with_the_answers_of_onnxruntime(name, evaluator):
    model = NETWORKS[name]
    values = values_of(model)
    expected = by_onnxruntime(model, values)
    mod = FlexPiePreOptimize(TARGET)(imported(model))
    graph = read_module(mod).graph
    (layer,) = recurrent_layers(graph)
    assert layer.name == f"{model.graph.name.lower()}_0"
    assert len(graph.layers) <= 8  # products and reshapes around it
    for boards in (2, 3):
        plan = random_plan(graph, boards, SeededChoices(boards))
        assert largest_error(emulate(plan, mod, values, evaluator), expected) < 1e-5


def test_batches_first_are_as_the_standard_says(evaluator):
    """onnxruntime has no ``layout=1``: the answers are those of batches in the middle."""
    model, plain = network("LSTM", layout=1, states=True), network("LSTM", states=True)
    values = values_of(model)
    turned = {name: value.transpose(1, 0, 2) for name, value in values.items()}
    expected = [x.transpose(1, 0, 2) for x in by_onnxruntime(plain, turned)[1:]]
    mod = imported(model)
    graph = read_module(mod).graph
    assert len(recurrent_layers(graph)) == 1
    for boards in (2, 3):
        plan = random_plan(graph, boards, SeededChoices(boards))
        assert largest_error(emulate(plan, mod, values, evaluator)[1:], expected) < 1e-5


def test_eight_bits_are_one_layer(tmp_path, evaluator):
    onnx.save(network("LSTM", "bidirectional", states=True), str(tmp_path / "a.onnx"))
    made = tmp_path / "b.onnx"
    quantize_dynamic(
        tmp_path / "a.onnx", made, op_types_to_quantize=["LSTM"], weight_type=QuantType.QInt8
    )
    model = onnx.load(str(made))
    assert "DynamicQuantizeLSTM" in [node.op_type for node in model.graph.node]
    values, mod = values_of(model), FlexPiePreOptimize(TARGET)(imported(model))
    graph = read_module(mod).graph
    assert len(recurrent_layers(graph)) == 1
    for boards in (2, 3):
        plan = random_plan(graph, boards, SeededChoices(boards))
        answers = emulate(plan, mod, values, evaluator)
        assert largest_error(answers, by_onnxruntime(model, values)) < 1e-5


def test_boards_get_its_operators_and_not_the_call(evaluator):
    model = network("LSTM")
    cut = partition(FlexPiePreOptimize(TARGET)(imported(model)), ClusterSpec(2), "InH")
    assert any(map(is_recurrent, post_order(cut.annotated["main"].body)))
    parsed = tvm.relay.fromtext(cut.annotated.astext())
    tvm.ir.assert_structural_equal(parsed, cut.annotated)
    lowered = lower(parsed)
    kinds = [
        [str(n.op.name) for n in post_order(board["main"].body) if isinstance(n, tvm.relay.Call)]
        for board in lowered.boards
    ]
    assert all(NAME not in kind for kind in kinds)
    assert max(kind.count("sigmoid") for kind in kinds) >= LENGTH  # steps, on the board that has it
    values = values_of(model)
    expected = by_onnxruntime(model, values)
    assert largest_error(emulate_lowered(lowered, values, evaluator), expected) < 1e-5


def test_tvm_builds_the_whole_model():
    model = network("GRU")
    values = values_of(model)
    mod = imported(model)
    assert any(map(is_recurrent, post_order(mod["main"].body)))
    assert largest_error(run_module(mod, values), by_onnxruntime(model, values)) < 1e-5


def test_results_that_nobody_reads_are_not_computed():
    model = network("LSTM")
    del model.graph.output[1:]
    graph = read_module(imported(model)).graph
    (layer,) = recurrent_layers(graph)
    assert len(graph.ops[layer.anchor].outputs) == 1


def test_cost_and_memory_know_its_steps():
    short, long = (read_module(imported(network("LSTM", length=n))).graph for n in (4, 8))
    works = [work_of(graph) for graph in (short, long)]
    products = [2 * n * BATCH * 4 * HIDDEN * (FEATURES + HIDDEN) for n in (4, 8)]
    for work, least in zip(works, products, strict=True):
        assert least < work.flops < 3 * least
        assert work.bytes_weights >= 4 * 4 * HIDDEN * (FEATURES + HIDDEN)
        assert work.bytes_read > 4 * BATCH * 4 * HIDDEN
    assert works[1].special == 2 * works[0].special == 2 * 4 * BATCH * 5 * HIDDEN
    assert works[1].ops > 1.5 * works[0].ops
    cheap, dear = Analytic().compute(works)
    assert 1.5 * cheap < dear
    # what enters all steps is held until the last
    needs = [memory_need(g, uniform_plan(g, ClusterSpec(1), "Single").geometry(g))[0]
             for g in (short, long)]  # fmt: skip
    assert needs[1] - needs[0] >= 4 * BATCH * 4 * HIDDEN * 4


def work_of(graph):
    (layer,) = recurrent_layers(graph)
    plan = uniform_plan(graph, ClusterSpec(1), "Single")
    tiles = {op: made[0] for op, made in plan.geometry(graph).tiles.items()}
    return tile_work(graph, layer, tiles, (1, 1.0, ""))


def test_boards_compute_it(tmp_path, boards):
    model = network("LSTM", "bidirectional", lengths="given")
    values = values_of(model)
    artifact = flexpie_tvm.compile(model, tmp_path / "a.flexpie", 2, scheme="InH")
    assert "lstm_0" in {entry["layer"] for entry in artifact.plan["layers"]}
    place = (boards.host, boards.port), boards.key, 2
    with flexpie_tvm.Cluster.connect(*place) as cluster, cluster.deploy(artifact) as deployment:
        answers = deployment.run(values)
    assert largest_error(answers, by_onnxruntime(model, values)) < 1e-5
