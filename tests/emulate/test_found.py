# SPDX-License-Identifier: Apache-2.0
"""Models that once went wrong when they were cut, and kinds that random models lack."""

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.plan import ClusterSpec, uniform_plan
from flexpie_tvm.relay import FlexPiePartition, import_module, lower
from flexpie_tvm.testing import emulate_lowered, emulate_whole
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.properties import largest_error, relative_error
from flexpie_tvm.testing.random_graphs import random_inputs

EVALUATOR = Evaluator()  # only a cache of compiled operators
SCHEMES = ["InH", "InW", "OutC", "2D-grid:2x2", "Single"]


def typed(params, body):
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function(params, body)))


def error(mod, scheme, boards=4):
    rng = np.random.default_rng(0)
    inputs = {
        v.name_hint: rng.standard_normal([int(n) for n in v.checked_type.shape]).astype("float32")
        for v in mod["main"].params
    }
    found = emulate_lowered(lower(FlexPiePartition(boards, scheme)(mod)), inputs, EVALUATOR)
    return relative_error(found, emulate_whole(mod, inputs, EVALUATOR))


def constant(*shape, low=None):
    rng = np.random.default_rng(1)
    if low is None:
        return relay.const(rng.standard_normal(shape).astype("float32"))
    return relay.const(rng.integers(low, 100, shape).astype("int8"))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_split_into_one_part_is_a_tuple_of_one(scheme):
    x = relay.var("x", shape=(1, 3, 4, 4))
    part = relay.split(relay.nn.relu(x), 1, 1)[0]
    assert error(typed([x], relay.nn.relu(relay.negative(part))), scheme) == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_operators_with_several_outputs_are_whole(scheme):
    x = relay.var("x", shape=(1, 5, 4, 4))
    top = relay.topk(relay.nn.relu(x), 2, axis=1, ret_type="both")
    body = relay.Tuple([relay.negative(top[0]), top[1]])
    assert error(typed([x], body), scheme) == 0


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("optimized", [False, True])
def test_batch_norm_before_and_after_folding(scheme, optimized):
    x = relay.var("x", shape=(1, 5, 6, 4))
    y = relay.nn.conv2d(x, constant(5, 5, 3, 3), padding=(1, 1), kernel_size=(3, 3), channels=5)
    parameters = [relay.abs(constant(5)) for _ in range(4)]
    mod = typed([x], relay.nn.relu(relay.nn.batch_norm(y, *parameters)[0]))
    assert error(FlexPiePreOptimize()(mod) if optimized else mod, scheme) < 1e-6


@pytest.mark.parametrize("scheme", ["InH", "OutC", "2D-grid:2x2"])
@pytest.mark.parametrize("optimized", [False, True])
def test_quantized_networks_are_exact(scheme, optimized):
    """Integers do not depend on the order in which they are summed."""
    x = relay.var("x", shape=(1, 4, 7, 6))
    scale, zero, none = relay.const(0.04), relay.const(5), relay.const(0)
    scales = relay.const(np.linspace(0.01, 0.02, 4).astype("float32"))
    a = relay.qnn.quantize(x, scale, zero, out_dtype="int8")
    b = relay.qnn.conv2d(
        a,
        constant(4, 4, 3, 3, low=-99),
        zero,
        none,
        scale,
        scales,
        kernel_size=(3, 3),
        channels=4,
        padding=(1, 1),
    )
    total = relay.const(scales.data.numpy() * np.float32(0.04))
    b = relay.qnn.requantize(b, total, none, scale, zero, axis=1, out_dtype="int8")
    c = relay.qnn.add(a, b, scale, zero, scale, zero, scale, zero)
    parts = relay.Tuple([c, relay.nn.max_pool2d(b, (3, 3), padding=(1, 1))])
    d = relay.qnn.concatenate(parts, [scale, scale], [zero, zero], scale, zero, axis=1)
    mod = typed([x], relay.qnn.dequantize(d, scale, zero))
    assert error(FlexPiePreOptimize()(mod) if optimized else mod, scheme, boards=4) == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_resize_by_another_factor_is_cut_in_space(scheme):
    x = relay.var("x", shape=(1, 3, 5, 6))
    y = relay.image.resize2d(
        relay.nn.relu(x),
        (13, 17),
        method="linear",
        coordinate_transformation_mode="align_corners",
    )
    mod = typed([x], relay.nn.max_pool2d(y, (2, 2)))
    assert error(mod, scheme) < 1e-5


def test_a_sum_of_what_is_left_of_a_mean_has_no_range_of_its_own():
    """Every board's share rounds in its own way; the answer is nothing but that rounding."""
    x = relay.var("in0", shape=(1, 4, 11, 6))
    body = relay.sum(relay.subtract(x, relay.mean(x, (2, 3), keepdims=True)), (2, 3))
    mod = typed([x], body)
    plan = uniform_plan(import_module(mod).graph, ClusterSpec(4), "InH", partial_results=True)
    (whole,) = emulate_whole(mod, random_inputs(mod, 0), EVALUATOR)
    assert np.abs(whole).max() < 1e-5
    assert largest_error(mod, plan, EVALUATOR) <= 1e-4


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_pool_window_that_lies_in_the_padding(scheme):
    """TVM's ceil mode makes windows that ONNX leaves out; their maximum is the smallest float."""
    x = relay.var("x", shape=(1, 5, 8, 6))
    pooled = relay.nn.max_pool2d(x, (2, 2), (2, 2), padding=(0, 1, 1, 0), ceil_mode=True)
    mod = typed([x], relay.nn.relu(pooled))
    assert error(mod, scheme) == 0
    (whole,) = emulate_whole(typed([x], pooled), random_inputs(mod, 0), EVALUATOR)
    assert whole.min() < -3e38


@pytest.mark.parametrize("optimized", [False, True])
def test_dropout_is_an_identity_with_two_results(optimized):
    x = relay.var("x", shape=(1, 5, 6, 4))
    mod = typed([x], relay.nn.relu(relay.nn.dropout(relay.negative(x), 0.5)))
    assert error(FlexPiePreOptimize()(mod) if optimized else mod, "InH") == 0
