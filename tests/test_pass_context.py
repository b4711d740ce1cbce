# SPDX-License-Identifier: Apache-2.0
"""``PassContext`` around a compilation: levels, options, instruments, disabled passes."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay, tir

import flexpie_tvm
from flexpie_tvm import compiler
from flexpie_tvm.kernels.context import CONFIG, LOWER_PASSES, build_context
from flexpie_tvm.relay import lower
from flexpie_tvm.relay.layout import layout_of
from flexpie_tvm.relay.targets import targets_of
from flexpie_tvm.runtime import relative_error

PassContext = tvm.transform.PassContext
RNG = np.random.default_rng(5)
FIRST = RNG.normal(size=(16, 8, 3, 3)).astype("float32")
SECOND = RNG.normal(size=(8, 16, 1, 1)).astype("float32")


def network() -> tvm.IRModule:
    """conv, relu, conv."""
    x = relay.var("x", shape=(1, 8, 10, 9))
    a = relay.nn.conv2d(x, relay.const(FIRST), channels=16, kernel_size=(3, 3), padding=(1, 1))
    b = relay.nn.conv2d(relay.nn.relu(a), relay.const(SECOND), channels=8, kernel_size=(1, 1))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], b)))


def expected(image: np.ndarray) -> np.ndarray:
    padded = np.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    hidden = np.maximum(np.einsum("ncyxij,ocij->noyx", windows, FIRST), 0)
    return np.einsum("nchw,oc->nohw", hidden, SECOND[:, :, 0, 0])


@tvm.instrument.pass_instrument
class Seen:
    """Names of the passes that ran."""

    def __init__(self):
        self.names = []

    def run_before_pass(self, mod, info):
        self.names.append(info.name)


@pytest.mark.parametrize("level", [0, 4])
def test_levels_options_and_instruments_reach_the_build(level, boards, target, tmp_path):
    seen, kernels = Seen(), []

    @tir.transform.prim_func_pass(opt_level=0)
    def count(function, module, context):
        kernels.append((int(context.opt_level), str(context.config["tir.Simplify"])))
        return function

    simplify = {"transitively_prove_inequalities": True}
    options = {"tir.Simplify": simplify, LOWER_PASSES: [(2, count)]}
    outer = PassContext(level, instruments=[seen], config=options)
    with outer:
        artifact = flexpie_tvm.compile(network(), tmp_path / "a.flexpie", 2, target, scheme="InH")
        assert PassContext.current().same_as(outer)
    assert {one for one, _ in kernels} == {level}
    assert {text for _, text in kernels} == {str(outer.config["tir.Simplify"])}
    assert {"FlexPiePreOptimize", "FuseOps", "tir.Simplify"} <= set(seen.names)
    image = RNG.normal(size=(1, 8, 10, 9)).astype("float32")
    place = (boards.host, boards.port), boards.key, 2
    with flexpie_tvm.Cluster.connect(*place) as cluster, cluster.deploy(artifact) as deployment:
        (answer,) = deployment.run({"x": image})
    assert relative_error(answer, expected(image)) < 1e-4


def test_a_disabled_pre_optimization_is_left_out(target):
    model, targets = compiler.import_model(network()), targets_of("llvm -mcpu=skylake-avx512", 2)
    assert layout_of(compiler.prepare(model, targets).layers.module) == "NCHW16c"
    with PassContext(disabled_pass=["FlexPiePreOptimize"]):
        plain = compiler.prepare(model, targets).layers
    assert layout_of(plain.module) is None
    text = lower(compiler.partition(plain, flexpie_tvm.ClusterSpec(2), "OutC")).boards[0].astext()
    assert "layout_transform" not in text


def test_ours_are_added_to_what_the_caller_says():
    outer = PassContext(3, disabled_pass=["CanonicalizeCast"], required_pass=["FuseOps"])
    with outer, build_context(laid_out=True):
        inner = PassContext.current()
        with build_context(laid_out=True, opt_level=1):
            innermost = PassContext.current()
    for one in (inner, innermost):
        assert {"CanonicalizeCast", "SimplifyExpr", "FoldConstant"} <= set(one.disabled_pass)
        assert list(one.required_pass) == ["FuseOps"]
        assert len(one.config[LOWER_PASSES]) == len(CONFIG[LOWER_PASSES])
    assert (inner.opt_level, innermost.opt_level) == (3, 1)


@pytest.mark.parametrize(("said", "taken"), [(None, 3), (2, 3), (0, 0), (1, 1), (3, 3), (4, 4)])
def test_the_level(said, taken):
    outer = PassContext() if said is None else PassContext(said)
    with outer, build_context(laid_out=False):
        assert PassContext.current().opt_level == taken
