# SPDX-License-Identifier: Apache-2.0
"""FlexPiePartition and lower, by Relay text."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay
from tvm.relay import testing

import flexpie_tvm
from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.runtime import run_whole

from .text import assert_same, parse

CONV_CONV = """
def @main(%x: Tensor[(1, 4, 8, 8), float32], %w: Tensor[(6, 4, 3, 3), float32],
          %v: Tensor[(2, 6, 1, 1), float32]) {
  %0 = nn.conv2d(%x, %w, padding=[1, 1, 1, 1], channels=6, kernel_size=[3, 3]);
  %1 = nn.relu(%0);
  nn.conv2d(%1, %v, padding=[0, 0, 0, 0], channels=2, kernel_size=[1, 1])
}
"""

CONV_POOL = """
def @main(%x: Tensor[(1, 4, 8, 8), float32], %w: Tensor[(6, 4, 3, 3), float32]) {
  %0 = nn.conv2d(%x, %w, padding=[1, 1, 1, 1], channels=6, kernel_size=[3, 3]);
  nn.max_pool2d(%0, pool_size=[3, 3], strides=[1, 1], padding=[1, 1, 1, 1])
}
"""


def partition(text: str, cluster=2, scheme: str = "InH") -> tvm.IRModule:
    return flexpie_tvm.FlexPiePartition(cluster, scheme)(parse(text))


def test_the_pass_is_put_into_relay_transform():
    assert relay.transform.FlexPiePartition is flexpie_tvm.FlexPiePartition
    assert relay.transform.FlexPiePreOptimize is flexpie_tvm.FlexPiePreOptimize


def test_without_a_scheme_the_best_plan_is_found():
    mod = flexpie_tvm.FlexPiePartition(4)(parse(CONV_CONV))
    text = mod.astext(show_meta_data=False)
    assert text.count("flexpie.partition") == 2
    assert 'flexpie_scheme="auto"' in text
    lowered = flexpie_tvm.lower(mod)
    assert lowered.plan.notes["predicted_ms"] > 0
    assert lowered.plan.notes["exact"] is True


def test_every_layer_is_printed_with_scheme_and_mode():
    assert_same(
        partition(CONV_CONV),
        """
def @main(%x: Tensor[(1, 4, 8, 8), float32], %w: Tensor[(6, 4, 3, 3), float32],
          %v: Tensor[(2, 6, 1, 1), float32]) {
  %0 = nn.conv2d(%x, %w, padding=[1, 1, 1, 1], channels=6, kernel_size=[3, 3]);
  %1 = nn.relu(%0);
  %2 = flexpie.partition(%1, layer="conv2d_0", op="nn.conv2d", mode="T", scheme="InH",
                         axes=[2], cuts=[[0, 4, 8]], attrs_type_key="DictAttrs");
  %3 = nn.conv2d(%2, %v, padding=[0, 0, 0, 0], channels=2, kernel_size=[1, 1]);
  flexpie.partition(%3, layer="conv2d_1", op="nn.conv2d", mode="T", scheme="InH",
                    axes=[2], cuts=[[0, 4, 8]], attrs_type_key="DictAttrs")
}
""",
    )


def test_the_printed_module_names_scheme_and_mode():
    text = partition(CONV_CONV, 4, "2D-grid:2x2").astext(show_meta_data=False)
    assert text.count("flexpie.partition") == 2
    assert '"scheme"="2D-grid:2x2"' in text
    assert '"mode"="T"' in text


def test_unequal_boards_get_unequal_rows():
    cluster = ClusterSpec(2, speeds=(3.0, 1.0))
    mod = partition(CONV_CONV, cluster)
    assert '"cuts"=[[0, 6, 8]]' in mod.astext(show_meta_data=False)


def test_partitioning_again_replaces_the_annotations():
    twice = flexpie_tvm.FlexPiePartition(2, "OutC")(partition(CONV_CONV, 2, "InH"))
    assert tvm.ir.structural_equal(
        twice["main"].body, partition(CONV_CONV, 2, "OutC")["main"].body, map_free_vars=True
    )


def test_works_in_a_sequential_pipeline():
    net, params = testing.resnet.get_workload(num_layers=18, image_shape=(3, 32, 32))
    net["main"] = relay.build_module.bind_params_by_name(net["main"], params)
    pipeline = tvm.transform.Sequential(
        [
            relay.transform.InferType(),
            relay.transform.FlexPiePreOptimize("llvm"),
            relay.transform.FlexPiePartition(cluster=3, scheme="InH"),
        ]
    )
    text = pipeline(net).astext(show_meta_data=False)
    assert text.count("flexpie.partition") >= 21


def test_an_annotated_module_runs_whole():
    rng = np.random.default_rng(1)
    mod = parse(CONV_CONV)
    inputs = {
        p.name_hint: rng.normal(size=[int(n) for n in p.checked_type.shape]).astype("float32")
        for p in mod["main"].params
    }
    (plain,) = run_whole(mod, "llvm", inputs)
    (annotated,) = run_whole(partition(CONV_CONV, 4, "OutC"), "llvm", inputs)
    np.testing.assert_array_equal(annotated, plain)


def test_inner_rows_are_exchanged_and_padding_stays_at_the_edge():
    lowered = flexpie_tvm.lower(partition(CONV_POOL))
    assert_same(
        lowered.boards[0],
        """
def @main(%x: Tensor[(1, 4, 5, 8), float32], %w: Tensor[(6, 4, 3, 3), float32],
          %t: Tensor[(1), int32]) {
  %0 = nn.conv2d(%x, %w, padding=[1, 1, 0, 1], channels=6, kernel_size=[3, 3]);
  %1 = (%t, %0);
  %2 = flexpie.exchange(%1, board=0, exchange=0, shape=[1, 6, 5, 8], dtype="float32",
                        attrs_type_key="DictAttrs");
  %3 = %2.0;
  %4 = nn.max_pool2d(%3, pool_size=[3, 3], strides=[1, 1], padding=[1, 1, 0, 1]);
  %5 = %2.1;
  (%4, %5)
}
""",
    )
    assert_same(
        lowered.boards[1],
        """
def @main(%x: Tensor[(1, 4, 5, 8), float32], %w: Tensor[(6, 4, 3, 3), float32],
          %t: Tensor[(1), int32]) {
  %0 = nn.conv2d(%x, %w, padding=[0, 1, 1, 1], channels=6, kernel_size=[3, 3]);
  %1 = (%t, %0);
  %2 = flexpie.exchange(%1, board=1, exchange=0, shape=[1, 6, 5, 8], dtype="float32",
                        attrs_type_key="DictAttrs");
  %3 = %2.0;
  %4 = nn.max_pool2d(%3, pool_size=[3, 3], strides=[1, 1], padding=[0, 1, 1, 1]);
  %5 = %2.1;
  (%4, %5)
}
""",
    )


def test_a_board_that_needs_nothing_still_sends():
    text = CONV_POOL.replace("pool_size=[3, 3], strides=[1, 1], padding=[1, 1, 1, 1]", "")
    text = text.replace("nn.max_pool2d(%0, )", "nn.global_avg_pool2d(%0)")
    lowered = flexpie_tvm.lower(partition(text))
    # the pooled tensor has one row: board 0 owns it and needs the whole map
    assert_same(
        lowered.boards[1],
        """
def @main(%x: Tensor[(1, 4, 5, 8), float32], %w: Tensor[(6, 4, 3, 3), float32],
          %t: Tensor[(1), int32]) {
  %0 = nn.conv2d(%x, %w, padding=[0, 1, 1, 1], channels=6, kernel_size=[3, 3]);
  %1 = (%t, %0);
  %2 = flexpie.exchange(%1, board=1, exchange=0, shape=[], dtype="float32",
                        attrs_type_key="DictAttrs");
  (%2,)
}
""",
    )


def test_output_channels_slice_the_weights():
    rng = np.random.default_rng(2)
    weight = rng.normal(size=(6, 4, 3, 3)).astype("float32")
    data = relay.var("x", shape=(1, 4, 8, 8))
    conv = relay.nn.conv2d(data, relay.const(weight), channels=6, kernel_size=(3, 3), padding=1)
    mod = tvm.IRModule.from_expr(relay.Function([data], conv))
    lowered = flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(4, "OutC")(mod))
    parts = [_constants(board) for board in lowered.boards]
    assert [part[0].shape[0] for part in parts] == [2, 1, 2, 1]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), weight)


def _constants(mod: tvm.IRModule) -> list[np.ndarray]:
    found = []
    relay.analysis.post_order_visit(
        mod["main"].body,
        lambda node: found.append(node.data.numpy()) if isinstance(node, relay.Constant) else None,
    )
    return found


@pytest.mark.parametrize(
    ("cluster", "scheme", "words"),
    [
        (2, "InD", "unknown scheme 'InD'"),
        (0, "InH", "0 boards"),
        (4, "2D-grid:3x2", "6 cells for 4 boards"),
    ],
)
def test_bad_schemes_and_clusters_are_named(cluster, scheme, words):
    with pytest.raises(PlanError, match=words):
        flexpie_tvm.FlexPiePartition(cluster, scheme)


def test_lower_wants_an_annotated_module():
    with pytest.raises(PlanError, match="run FlexPiePartition"):
        flexpie_tvm.lower(parse(CONV_CONV))
