# SPDX-License-Identifier: Apache-2.0
"""Weights of dense layers are packed by the compiler, not in every run."""

import json

import numpy as np
import pytest
import tvm
from tvm import relay
from tvm.contrib import graph_executor

import flexpie_tvm
from flexpie_tvm.codegen import build_boards
from flexpie_tvm.codegen.build import build_kernels
from flexpie_tvm.lab.profiler.kernels import kernel_calls
from flexpie_tvm.passes.pack_dense import pack_dense
from flexpie_tvm.relay.layout import with_layout
from flexpie_tvm.relay.rewrite import post_order
from flexpie_tvm.runtime import Cluster, relative_error

from ..relay.text import assert_same, parse

WIDE = tvm.target.Target("llvm -mcpu=skylake-avx512")
ARM = tvm.target.Target("llvm -mtriple=aarch64-linux-gnu -keys=arm_cpu,cpu")
PRODUCT = """
def @main(%x: Tensor[(3, 8), float32], %w: Tensor[(64, 8), float32],
          %b: Tensor[(64), float32]) {
  %0 = nn.dense(%x, %w, units=64);
  %1 = nn.bias_add(%0, %b);
  (nn.relu(%1),)
}
"""


def test_a_parameter_that_stands_for_weights_is_packed_by_the_function():
    got = pack_dense(parse(PRODUCT), WIDE, {"w"})
    x, w, b = got["main"].params
    packed = relay.layout_transform(w, "NC", "NC32n")
    # TVM's parser does not know the attributes of this operator.
    product = relay.nn.contrib_dense_pack(x, packed, "NC32n", 64, "float32")
    expected = relay.Tuple([relay.nn.relu(relay.nn.bias_add(product, b))])
    assert tvm.ir.structural_equal(got["main"].body, expected)


@pytest.mark.parametrize(
    "target",
    ["llvm -mtriple=x86_64-linux-gnu -keys=arm_cpu,cpu", "llvm -mcpu=skylake-avx512 -libs=mkl"],
    ids=["unknown", "library"],
)
def test_other_kernels_take_plain_weights(target):
    assert_same(pack_dense(parse(PRODUCT), tvm.target.Target(target), {"w"}), PRODUCT)


def test_blocks_on_arm_are_whole_vectors():
    got = pack_dense(parse(PRODUCT.replace("64", "50")), ARM, {"w"})
    (call,) = [n for n in post_order(got["main"].body) if _is_product(n)]
    block = int(call.args[1].checked_type.shape[-1])
    assert block % 4 == 0
    assert 50 <= int(call.checked_type.shape[1]) < 50 + block


def _is_product(node: relay.Expr) -> bool:
    return isinstance(node, relay.Call) and node.op.name == "nn.contrib_dense_pack"


def test_a_product_of_two_activations_is_left():
    assert_same(pack_dense(parse(PRODUCT), WIDE), PRODUCT)


@pytest.mark.parametrize(
    ("x", "w", "call"),
    [
        ("(3, 8), int8", "(64, 8), int8", 'nn.dense(%x, %w, units=None, out_dtype="int32")'),
        ("(3, 8), float32", "(64, 8), float32", "nn.dense(%x, negative(%w), units=None)"),
        ("(2, 3, 8), float32", "(64, 8), float32", "nn.dense(%x, %w, units=None)"),
        (
            "(8, 3), float32",
            "(64, 8), float32",
            "nn.matmul(%x, %w, units=None, transpose_a=True, transpose_b=True)",
        ),
    ],
    ids=["int8", "computed_weights", "three_axes", "transposed_rows"],
)
def test_what_no_packed_kernel_computes_is_left(x, w, call):
    text = f"def @main(%x: Tensor[{x}], %w: Tensor[{w}]) {{ {call} }}"
    assert_same(pack_dense(parse(text), WIDE, {"w"}), text)


@pytest.mark.parametrize(
    ("columns", "layout"), [(96, "NC32n"), (48, "NC16n"), (30, "NC15n"), (10, "NC10n")]
)
def test_a_block_is_the_one_that_the_kernel_takes(columns, layout):
    weights = np.random.default_rng(columns).normal(size=(columns, 5)).astype("float32")
    call = _only_call(relay.nn.dense(relay.var("x", shape=(2, 5)), relay.const(weights)))
    block = int(layout[2:-1])
    packed = call.args[1].data.numpy()
    assert (call.attrs.weight_layout, packed.shape) == (layout, (columns // block, 5, block))
    np.testing.assert_array_equal(packed.transpose(0, 2, 1).reshape(columns, 5), weights)


@pytest.mark.parametrize(
    ("columns", "padded", "layout"),
    [(1366, 1376, "NC32n"), (334, 336, "NC16n"), (257, 272, "NC16n"), (17, 32, "NC32n")],
)
@pytest.mark.parametrize("transposed", [True, False])
def test_columns_without_a_good_block_are_made_more(columns, padded, layout, transposed):
    weights = np.random.default_rng(columns).normal(size=(columns, 5)).astype("float32")
    x, weight = relay.var("x", shape=(2, 5)), relay.const(weights if transposed else weights.T)
    part = _changed(relay.nn.matmul(x, weight, transpose_b=transposed))
    assert (part.op.name, tuple(part.checked_type.shape)) == ("strided_slice", (2, columns))
    (product,) = part.args
    packed = product.args[1].data.numpy()
    rows = packed.transpose(0, 2, 1).reshape(padded, 5)
    assert product.attrs.weight_layout == layout
    assert tuple(product.checked_type.shape) == (2, padded)
    np.testing.assert_array_equal(rows[:columns], weights)
    assert not rows[columns:].any()


def test_a_parameter_is_made_wider_before_it_is_packed():
    x, w = relay.var("x", shape=(3, 8)), relay.var("w", shape=(334, 8))
    mod = tvm.IRModule.from_expr(relay.Function([x, w], relay.nn.dense(x, w)))
    got = pack_dense(mod, WIDE, {"w"})["main"]
    x, w = got.params
    packed = relay.layout_transform(relay.nn.pad(w, ((0, 2), (0, 0))), "NC", "NC16n")
    product = relay.nn.contrib_dense_pack(x, packed, "NC16n", 336, "float32")
    assert tvm.ir.structural_equal(got.body, relay.strided_slice(product, [0, 0], [3, 334]))


def test_packing_of_a_wider_parameter_is_not_timed(target, tmp_path):
    """What a profile times of a padded product: the product, and the rest with the slice."""
    text = PRODUCT.replace("64", "334")
    (tile,) = build_kernels(
        [with_layout(parse(text), "NCHW")],
        tvm.target.Target(target),
        tmp_path / "k.so",
        weights=[{1, 2}],
    )
    names = [call.name for call in kernel_calls(tile.graph_json, frozenset({1, 2}))]
    assert len(names) == 2
    assert "contrib_dense_pack" in names[0]
    assert "strided_slice" in names[1]
    assert names[1].endswith("relu")


def test_a_matmul_of_plain_matrices_is_packed_too():
    weights = np.arange(15 * 64, dtype="float32").reshape(15, 64)
    call = _only_call(relay.nn.matmul(relay.var("x", shape=(2, 15)), relay.const(weights)))
    packed = call.args[1].data.numpy()
    np.testing.assert_array_equal(packed.transpose(1, 0, 2).reshape(15, 64), weights)


def test_shared_weights_are_packed_once():
    weights = relay.const(np.ones((64, 8), "float32"))
    x, y = (relay.var(name, shape=(3, 8)) for name in "xy")
    body = relay.Tuple([relay.nn.dense(x, weights), relay.nn.dense(y, weights)])
    main = pack_dense(tvm.IRModule.from_expr(relay.Function([x, y], body)), WIDE)["main"]
    first, second = main.body.fields
    assert first.args[1].same_as(second.args[1])


def test_profiled_kernels_are_those_of_boards(target, tmp_path):
    """One kernel, bias and activation fused into it; packing is not part of what is timed."""
    target = tvm.target.Target(target)
    (tile,) = build_kernels(
        [with_layout(parse(PRODUCT), "NCHW")], target, tmp_path / "k.so", weights=[{1, 2}]
    )
    (timed,) = kernel_calls(tile.graph_json, frozenset({1, 2}))
    (path,) = build_boards([_with_constants(parse(PRODUCT))], [target], tmp_path, [None])
    graph = tvm.runtime.load_module(str(path))["get_graph_json"]()
    nodes = json.loads(graph)["nodes"]
    (run,) = [node["attrs"]["func_name"] for node in nodes if node["op"] == "tvm_op"]
    assert run == timed.name
    assert "contrib_dense_pack" in run
    assert run.endswith("relu")


@pytest.mark.parametrize("columns", [64, 50, 17, 257, 1, 341])
def test_answers_stay_the_same(columns, target, tmp_path):
    rng = np.random.default_rng(columns)
    weights, bias, rows = (
        rng.normal(size=size).astype("float32") for size in [(columns, 24), (columns,), (5, 24)]
    )
    x = relay.var("x", shape=(5, 24))
    product = relay.nn.bias_add(relay.nn.dense(x, relay.const(weights)), relay.const(bias))
    mod = tvm.IRModule.from_expr(relay.Function([x], relay.Tuple([product])))
    target = tvm.target.Target(target)
    mod = with_layout(relay.transform.InferType()(mod), "NCHW")
    (path,) = build_boards([mod], [target], tmp_path, [None])
    module = graph_executor.GraphModule(tvm.runtime.load_module(str(path))["default"](tvm.cpu()))
    module.run(input0=rows)
    answer = module.get_output(0).numpy()
    np.testing.assert_allclose(answer, rows @ weights.T + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scheme", ["OutC", "InH", "InC"])
def test_boards_compute_parts_of_a_product(scheme, target, boards, tmp_path):
    rng = np.random.default_rng(3)
    x = relay.var("x", shape=(7, 24))
    first, second = (
        relay.const(rng.normal(size=shape).astype("float32")) for shape in [(50, 24), (34, 50)]
    )
    product = relay.nn.dense(relay.nn.relu(relay.nn.dense(x, first)), second)
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], product)))
    rows = rng.normal(size=(7, 24)).astype("float32")
    mod = flexpie_tvm.FlexPiePreOptimize(target)(mod)
    mod = flexpie_tvm.FlexPiePartition(flexpie_tvm.ClusterSpec(3), scheme)(mod)
    artifact = flexpie_tvm.build(mod, target, tmp_path / "product.flexpie")
    tracker = boards.host, boards.port
    with Cluster.connect(tracker, boards.key, 3) as cluster, cluster.deploy(artifact) as deployed:
        (answer,) = deployed.run({"x": rows})
    expected = np.maximum(rows @ first.data.numpy().T, 0) @ second.data.numpy().T
    assert relative_error(answer, expected) < 1e-5


def _only_call(call: relay.Call) -> relay.Call:
    changed = _changed(call)
    assert changed.op.name == "nn.contrib_dense_pack"
    return changed


def _changed(call: relay.Call) -> relay.Call:
    mod = tvm.IRModule.from_expr(relay.Function(relay.analysis.free_vars(call), call))
    return pack_dense(mod, WIDE)["main"].body


def _with_constants(mod: tvm.IRModule) -> tvm.IRModule:
    """All parameters but the first become constants."""
    main = mod["main"]
    values = {
        p: relay.const(np.ones([int(n) for n in p.checked_type.shape], "float32"))
        for p in main.params[1:]
    }
    function = relay.Function(main.params[:1], relay.bind(main.body, values))
    return with_layout(relay.transform.InferType()(tvm.IRModule.from_expr(function)), "NCHW")
