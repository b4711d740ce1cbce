# SPDX-License-Identifier: Apache-2.0
"""An annotated module as text, as JSON, and annotated once more: the same module."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from tvm import relay

import flexpie_tvm
from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.relay import read_plan
from flexpie_tvm.relay.annotations import from_text, to_text
from flexpie_tvm.relay.layout import layout_of
from flexpie_tvm.relay.precision import precision_of

A76 = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a76 -keys=arm_cpu,cpu"
TWO = ClusterSpec(2, speeds=(1.0, 0.1), kinds=("pi 4's", '100% "new" \\ Brett für ARM'))


def network(seed: int = 0) -> tvm.IRModule:
    """conv, relu, pool, conv, residual add; two results."""
    rng = np.random.default_rng(seed)
    x = relay.var("x", shape=(1, 8, 13, 12))
    first = relay.const(rng.normal(size=(16, 8, 3, 3)).astype("float32"))
    second = relay.const(rng.normal(size=(16, 16, 3, 3)).astype("float32"))
    a = relay.nn.conv2d(x, first, channels=16, kernel_size=(3, 3), padding=(1, 1))
    b = relay.nn.max_pool2d(relay.nn.relu(a), (3, 3), padding=(1, 1))
    c = relay.nn.conv2d(b, second, channels=16, kernel_size=(3, 3), padding=(1, 1))
    body = relay.Tuple([relay.add(b, c), relay.nn.global_avg_pool2d(c)])
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], body)))


@pytest.fixture(scope="module", params=["as imported", "fp32", "fp16"])
def ready(request) -> tvm.IRModule:
    if request.param == "as imported":
        return network()
    return flexpie_tvm.FlexPiePreOptimize(A76, request.param)(network())


@pytest.mark.parametrize(
    ("scheme", "cluster"),
    [("auto", 3), ("InH", TWO), ("InC", 2), ("Single", TWO), ("2D-grid", 4), ("fused", 2)],
)
def test_every_form_of_an_annotated_module_is_the_module(ready, scheme, cluster):
    annotate = flexpie_tvm.FlexPiePartition(cluster, scheme)
    mod = annotate(ready)
    for back in (
        relay.transform.InferType()(relay.fromtext(mod.astext())),
        tvm.ir.load_json(tvm.ir.save_json(mod)),
        annotate(mod),
    ):
        tvm.ir.assert_structural_equal(back, mod)
        assert read_plan(back).plan == read_plan(mod).plan
        assert layout_of(back) == layout_of(ready)
        assert precision_of(back) == precision_of(ready)


def test_boards_modules_are_read_from_their_text_too():
    for board in flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(3, "InH")(network())).boards:
        text = board.astext()
        assert "flexpie.exchange" in text
        back = relay.transform.InferType()(relay.fromtext(text))
        tvm.ir.assert_structural_equal(back, board)


PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN_DATA)
def test_plain_data_is_read_back_from_what_tvms_parser_takes(data):
    text = to_text(data)
    assert from_text(text) == data
    assert not set(text) & set('"\\\n')
    assert text.isascii()


def test_a_plan_of_other_sizes_names_the_layer():
    plan = read_plan(flexpie_tvm.FlexPiePartition(2, "InH")(network())).plan
    x = relay.var("x", shape=(1, 8, 20, 12))
    mod = network()
    mod["main"] = relay.Function([x], relay.bind(mod["main"].body, {mod["main"].params[0]: x}))
    with pytest.raises(
        PlanError, match=r"^\w+_0: cut points \(0, 7, 13\) do not cover an axis of 20"
    ):
        flexpie_tvm.FlexPiePartition(plan=plan)(mod)
