# SPDX-License-Identifier: Apache-2.0
"""Models that once went wrong when they were cut, and kinds that random models lack."""

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.relay import FlexPiePartition, FlexPiePreOptimize, lower
from flexpie_tvm.testing.emulate import emulate, emulate_whole
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.properties import relative_error

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
    found = emulate(lower(FlexPiePartition(boards, scheme)(mod)), inputs, EVALUATOR)
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
