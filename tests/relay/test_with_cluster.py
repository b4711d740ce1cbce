# SPDX-License-Identifier: Apache-2.0
"""``with cluster:`` says for which boards; nothing else does."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.relay import partition, read_plan

RING = ClusterSpec(3, topology="ring", speeds=(2.0, 1.0, 1.0))
PAIR = ClusterSpec(2, bandwidth=1e8)


@pytest.fixture
def mod() -> tvm.IRModule:
    x, w = relay.var("x", shape=(1, 4, 12, 8)), relay.var("w", shape=(6, 4, 3, 3))
    body = relay.nn.conv2d(x, w, channels=6, kernel_size=(3, 3), padding=(1, 1))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x, w], body)))


def planned_for(annotated: tvm.IRModule) -> ClusterSpec:
    return read_plan(annotated).plan.cluster


def test_a_pass_that_is_made_inside_is_for_that_cluster(mod, caplog):
    with RING as entered, caplog.at_level(logging.INFO, "flexpie_tvm"):
        assert entered is RING is ClusterSpec.current()
        made = relay.transform.FlexPiePartition(scheme="InH")
    assert planned_for(made(mod)) == RING
    with PAIR:
        assert planned_for(made(mod)) == RING
    assert not caplog.records


def test_a_pass_that_is_made_outside_is_for_the_cluster_it_runs_in(mod):
    made = tvm.transform.Sequential([relay.transform.FlexPiePartition(scheme="InH")])
    with RING, PAIR:
        assert planned_for(made(mod)) == PAIR
        assert partition(mod, scheme="OutC").plan.cluster == PAIR
    with RING:
        assert planned_for(made(mod)) == RING


def test_a_cluster_that_is_given_comes_first(mod):
    with RING:
        assert planned_for(flexpie_tvm.FlexPiePartition(PAIR)(mod)) == PAIR
        assert planned_for(flexpie_tvm.FlexPiePartition(5, "InH")(mod)).boards == 5
        plan = read_plan(flexpie_tvm.FlexPiePartition(PAIR)(mod)).plan
        assert planned_for(flexpie_tvm.FlexPiePartition(plan=plan)(mod)) == PAIR


def test_without_one_it_says_what_it_assumes(mod, caplog):
    made = flexpie_tvm.FlexPiePartition(scheme="InH")
    assert not caplog.records
    assert planned_for(made(mod)) == ClusterSpec(4)
    (record,) = caplog.records
    assert record.name == "flexpie_tvm.plan.model.cluster"
    assert record.levelno == logging.WARNING
    assert "4 equal boards with links of 1 Gb/s are assumed" in record.getMessage()


def test_it_ends_with_the_block_also_after_an_error():
    with pytest.raises(PlanError, match="3 boards"), RING:
        flexpie_tvm.FlexPiePartition(scheme="2D-grid:2x2")
    assert ClusterSpec.current() is None
    with RING:
        with PAIR:
            pass
        assert ClusterSpec.current() is RING


def test_another_thread_is_outside():
    with RING, ThreadPoolExecutor(1) as pool:
        assert pool.submit(ClusterSpec.current).result() is None
        assert ClusterSpec.current() is RING


def test_compile_takes_it_too(mod, tmp_path):
    with PAIR, pytest.raises(PlanError, match="4 cells for 2 boards"):
        flexpie_tvm.compile(mod, tmp_path / "a.flexpie", scheme="2D-grid:2x2")
