# SPDX-License-Identifier: Apache-2.0
"""Pools and sums in vectors: the answers of TVM's own schedules, for all sorts of shapes."""

import numpy as np
import pytest
import tvm
from tvm import relay, te, tir, topi
from tvm.contrib import graph_executor

from flexpie_tvm.kernels.context import build_context, stock_context
from flexpie_tvm.kernels.reduce import summed
from flexpie_tvm.kernels.target import keyed, unit_of

X86 = "llvm -mcpu=skylake-avx512"
ARM = "llvm -mtriple=aarch64-linux-gnu -keys=arm_cpu,cpu"
BLOCKED = [
    (1, 2, 7, 7, 16),
    (1, 3, 10, 5, 8),
    (2, 1, 13, 37, 14),
    (1, 2, 5, 6, 3),
    (1, 5, 9, 11, 1),
]
PLAIN = [(1, 5, 7, 7), (2, 3, 10, 10), (1, 1, 37, 5), (1, 17, 3, 3), (1, 4, 1, 64), (1, 2, 16, 16)]
WINDOWS = [
    ((2, 2), (2, 2), (0, 0)),
    ((3, 3), (2, 2), (1, 1)),
    ((3, 2), (1, 3), (0, 1)),
    ((7, 5), (1, 1), (3, 2)),
]


def layout(shape) -> str:
    return f"NCHW{shape[4]}c" if len(shape) == 5 else "NCHW"


def image(shape) -> relay.Var:
    return relay.var("x", shape=shape)


@pytest.mark.parametrize("shape", BLOCKED + PLAIN, ids=str)
def test_global_pools(shape, target):
    x = image(shape)
    pools = relay.nn.global_avg_pool2d, relay.nn.global_max_pool2d
    _same_as_stock([pool(x, layout=layout(shape)) for pool in pools], target)


@pytest.mark.parametrize("shape", [*BLOCKED, (1, 5, 7, 7), (2, 3, 10, 12)], ids=str)
def test_adaptive_pools(shape, target):
    x = image(shape)
    pooled = [
        pool(x, output_size=size, layout=layout(shape))
        for pool in (relay.nn.adaptive_avg_pool2d, relay.nn.adaptive_max_pool2d)
        for size in [(1, 1), (2, 3), (5, 4), (1, 5)]
    ]
    _same_as_stock(pooled, target)


@pytest.mark.parametrize("shape", BLOCKED + PLAIN[:3], ids=str)
@pytest.mark.parametrize("pool", [relay.nn.avg_pool2d, relay.nn.max_pool2d])
def test_pools(pool, shape, target):
    x, results = image(shape), []
    for size, strides, padding in WINDOWS:
        size = tuple(int(n) for n in np.minimum(size, shape[2:4]))
        padding = tuple(min(n, (k - 1) // 2) for n, k in zip(padding, size, strict=True))
        pooled = pool(x, size, strides, padding=padding, layout=layout(shape))
        results += [pooled, relay.nn.relu(pooled) * relay.const(2.0)]
    _same_as_stock(results, target)


def test_pools_that_count_or_add_padding(target):
    x = image((1, 2, 7, 10, 16))
    args = (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), "NCHW16c"
    counted = relay.nn.avg_pool2d(x, *args, count_include_pad=True)
    ceiled = [pool(x, *args, ceil_mode=True) for pool in (relay.nn.avg_pool2d, relay.nn.max_pool2d)]
    _same_as_stock([counted, *ceiled], target)


@pytest.mark.parametrize("shape", [(1, 3, 10, 11, 8), (2, 5, 7, 9), (3, 40), (1, 6, 121), (33,)])
@pytest.mark.parametrize("reduce", [relay.mean, relay.sum, relay.max, relay.min, relay.variance])
def test_sums(reduce, shape, target):
    x, rank = image(shape), len(shape)
    axes = [None, *((k,) for k in range(rank)), *((k, k + 1) for k in range(rank - 1))]
    results = [reduce(x, axis=axis, keepdims=keep) for axis in axes for keep in (True, False)]
    _same_as_stock(results, target)


@pytest.mark.parametrize("columns", [31, 32, 37, 128])
def test_sums_of_what_is_computed_first(columns, target):
    x = image((2, 5, columns))
    padded = relay.nn.pad(x, ((0, 0), (0, 0), (1, 2)))
    results = [
        relay.sum(relay.exp(x), axis=-1),
        relay.sum(relay.transpose(x, (0, 2, 1)), axis=-2),
        relay.mean(x * x + relay.const(1.0), axis=(1, 2)),
        relay.nn.relu(relay.max(padded, -1)),
        relay.sum(padded, 1),
        relay.sum(relay.reverse(x, 2), -1),
        relay.sum(relay.strided_slice(padded, [0, 0, 1], [2, 5, 12]), 1),
    ]
    _same_as_stock(results, target)


@pytest.mark.parametrize("shape", [(7, 41), (41, 9)])
def test_other_reductions(shape, target):
    x = image(shape)
    results = [
        relay.cast(relay.argmax(x, axis=1), "float32"),
        relay.cast(relay.any(x > relay.const(0.0), axis=1), "float32"),
        relay.cast(relay.sum(relay.cast(x * relay.const(9.0), "int32"), axis=1), "float32"),
        relay.cast(relay.sum(relay.cast(x, "float64"), axis=1), "float32"),
        relay.logsumexp(x, axis=[1]),
        relay.nn.softmax(x),
    ]
    _same_as_stock(results, target)


@pytest.mark.parametrize("shape", [*PLAIN, (1, 9, 112, 3), (2, 6, 17, 43)], ids=str)
def test_local_response_normalisation(shape, target):
    ways = [(5, 1, 0.75), (3, 1, 0.5), (5, 3, 0.75), (1, 1, 1.0), (3, 1, 0.6)]
    x = image(shape)
    results = [relay.nn.lrn(x, size, axis, beta=beta, alpha=0.1) for size, axis, beta in ways]
    _same_as_stock(results, target)


@pytest.mark.parametrize("width", [10, 37, 121, 768])
def test_layer_norm(width, target):
    scale = relay.const(np.linspace(0.5, 2, width, dtype="float32"))
    _same_as_stock([relay.nn.layer_norm(image((3, 5, width)), scale, scale)], target)


def test_a_block_is_summed_as_one_vector():
    assert _widest(_pooled(), X86) == 14


def test_arm_boards_sum_alike():
    assert _widest(_pooled(), ARM) == 14


def _pooled() -> te.Tensor:
    x = te.placeholder((1, 2, 10, 10, 14), name="x")
    return topi.nn.adaptive_pool(x, (1, 1), "max", "NCHW14c")


def _widest(result: te.Tensor, target: str) -> int:
    """Lanes of the widest store."""
    lanes = [1]

    def visit(node) -> None:
        if isinstance(node, tir.BufferStore):
            lanes.append(tvm.DataType(node.value.dtype).lanes)

    with tvm.target.Target(target) as own:
        schedule = summed(result, unit_of(own))
        lowered = tvm.lower(schedule, [*result.op.input_tensors, result])["main"]
    tir.stmt_functor.post_order_visit(lowered.body, visit)
    return max(lanes)


def _same_as_stock(results: list[relay.Expr], target: str) -> None:
    """Results of one input, compiled our way and TVM's."""
    (x,) = relay.analysis.free_vars(relay.Tuple(results))
    shape = [int(n) for n in x.type_annotation.shape]
    value = np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")
    with build_context(laid_out=True):
        ours = _run(x, results, value, keyed(target))
    with stock_context():
        theirs = _run(x, results, value, tvm.target.Target(target))
    for mine, other in zip(ours, theirs, strict=True):
        most = np.abs(other).max(initial=0)
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5 * most)


def _run(
    x: relay.Var, results: list[relay.Expr], value: np.ndarray, target: tvm.target.Target
) -> list:
    mod = tvm.IRModule.from_expr(relay.Function([x], relay.Tuple(results)))
    library = relay.build(mod, target)
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    module.set_input(0, value)
    module.run()
    return [module.get_output(k).numpy() for k in range(len(results))]
