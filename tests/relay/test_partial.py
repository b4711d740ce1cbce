# SPDX-License-Identifier: Apache-2.0
"""Partial results: what they compute, what they send, and that all boards agree."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import Choice, ClusterSpec, Plan, Split, uniform_plan
from flexpie_tvm.relay import import_module
from flexpie_tvm.runtime import relative_error
from flexpie_tvm.testing import emulate_lowered, emulate_whole

from .text import assert_same, parse

POOL = """
def @main(%x: Tensor[(1, 4, 8, 6), float32]) {
  %0 = nn.relu(%x);
  %1 = nn.global_avg_pool2d(%0);
  nn.relu(%1)
}
"""


def random_weight(rng: np.random.Generator, *shape: int) -> relay.Expr:
    return relay.const((rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype("float32"))


def squeeze_excite(rng: np.random.Generator) -> tvm.IRModule:
    """A convolution whose channels are weighted by what its pooled map says."""
    x = relay.var("x", shape=(1, 8, 11, 9))
    y = relay.nn.conv2d(
        x, random_weight(rng, 12, 8, 3, 3), channels=12, kernel_size=(3, 3), padding=1
    )
    gate = relay.nn.global_avg_pool2d(relay.nn.relu(y))
    gate = relay.nn.conv2d(gate, random_weight(rng, 4, 12, 1, 1), channels=4, kernel_size=(1, 1))
    gate = relay.nn.conv2d(
        relay.nn.relu(gate), random_weight(rng, 12, 4, 1, 1), channels=12, kernel_size=(1, 1)
    )
    y = relay.multiply(y, relay.sigmoid(gate))
    most = relay.nn.dense(relay.max(y, axis=[2, 3]), random_weight(rng, 5, 12))
    y = relay.nn.relu(relay.add(y, relay.mean(y, axis=[2, 3], keepdims=True)))
    return tvm.IRModule.from_expr(relay.Function([x], relay.Tuple([y, most])))


def with_partial_results(mod: tvm.IRModule, boards: int, scheme: str) -> tvm.IRModule:
    """The annotated module, reductions over cut axes made of partial results."""
    graph = import_module(mod).graph
    plan = uniform_plan(graph, ClusterSpec(boards), scheme, partial_results=True)
    return flexpie_tvm.FlexPiePartition(plan=plan)(mod)


def bytes_exchanged(lowered) -> int:
    tensors = lowered.imported.graph.tensors
    return sum(
        m.region.volume * tensors[e.tensor].itemsize
        for e in lowered.geometry.exchanges
        for m in e.messages
    )


def test_rows_are_pooled_where_they_are():
    lowered = flexpie_tvm.lower(with_partial_results(parse(POOL), 2, "InH"))
    (exchange,) = lowered.geometry.exchanges
    assert exchange.combine == "sum"
    assert_same(
        lowered.boards[1],
        """
def @main(%x: Tensor[(1, 4, 4, 6), float32], %t: Tensor[(1), int32]) {
  %0 = nn.relu(%x);
  %1 = nn.global_avg_pool2d(%0);
  %2 = multiply(%1, 0.5f);
  %3 = (%t, %2);
  %4 = flexpie.exchange(%3, board=1, exchange=0, shape=[], dtype="float32",
                        attrs_type_key="DictAttrs");
  (%4,)
}
""",
    )


def test_input_channels_slice_the_weights():
    rng = np.random.default_rng(1)
    x = relay.var("x", shape=(1, 8, 4, 4))
    weight = rng.normal(size=(6, 8, 1, 1)).astype("float32")
    conv = relay.nn.conv2d(x, relay.const(weight), channels=6, kernel_size=(1, 1))
    mod = tvm.IRModule.from_expr(relay.Function([x], relay.nn.relu(conv)))
    lowered = flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(4, "InC")(mod))
    held = []
    for board in lowered.boards:
        found = []
        relay.analysis.post_order_visit(
            board["main"].body,
            lambda n, found=found: found.append(n) if isinstance(n, relay.Constant) else None,
        )
        held.append(found[0].data.numpy())
    np.testing.assert_array_equal(np.concatenate(held, axis=1), weight)


@pytest.mark.parametrize("boards", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("scheme", ["InC", "InH", "InW", "2D-grid"])
def test_answers_equal_one_board(scheme, boards):
    rng = np.random.default_rng(2)
    mod = squeeze_excite(rng)
    inputs = {"x": rng.normal(size=(1, 8, 11, 9)).astype("float32")}
    expected = emulate_whole(mod, inputs)
    lowered = flexpie_tvm.lower(with_partial_results(mod, boards, scheme))
    assert boards == 1 or {e.combine for e in lowered.geometry.exchanges} >= {"sum"}
    for got, wanted in zip(emulate_lowered(lowered, inputs), expected, strict=True):
        assert relative_error(got, wanted) < 1e-5


def test_partial_sums_spare_the_map():
    rng = np.random.default_rng(3)
    mod = squeeze_excite(rng)
    graph = import_module(mod).graph
    sent = {}
    for partial in (True, False):
        plan = uniform_plan(graph, ClusterSpec(4), "InH", partial_results=partial)
        sent[partial] = bytes_exchanged(
            flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(plan=plan)(mod))
        )
    assert sent[True] < sent[False] / 2


def test_the_annotation_carries_the_share():
    mod = with_partial_results(parse(POOL), 2, "InH")
    text = mod.astext(show_meta_data=False)
    assert '"scheme"="InC"' in text
    assert '"cuts"=[[0, 4, 8]]' in text
    assert flexpie_tvm.lower(mod).plan.choices["global_avg_pool2d_0"].is_partial


def test_what_is_not_reduced_cannot_be_a_share():
    mod = parse(POOL)
    graph = import_module(mod).graph
    bad = Split((1,), ((0, 2, 4),))
    whole = Choice("T", "Single", Split((), ()))
    plan = Plan(
        ClusterSpec(2),
        {t.name: whole for t in graph.tensors if t.kind == "op"}
        | {"global_avg_pool2d_0": Choice("T", "InC", bad)},
        "InC",
    )
    with pytest.raises(PlanError, match="cannot make partial results"):
        plan.geometry(graph)
