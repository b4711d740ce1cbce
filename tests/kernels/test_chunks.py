# SPDX-License-Identifier: Apache-2.0
"""Long sums against float64: hundreds and thousands of terms, wherever they lie in memory."""

from collections.abc import Callable
from math import isqrt, prod

import numpy as np
import pytest
import tvm
from tvm import relay, te, tir, topi

from flexpie_tvm.kernels.chunks import MOST_TERMS, chunk_of
from flexpie_tvm.kernels.reduce import summed
from flexpie_tvm.kernels.softmax import rows
from flexpie_tvm.kernels.target import unit_of

from .moving import computed

ARM = "llvm -mtriple=aarch64-linux-gnu -keys=arm_cpu,cpu"
#: Of the sum. One after the other, the sums below are off by 1e-6 to 1e-4.
ROUNDING = 6e-7


@pytest.mark.parametrize("extents", [(24, 160), (101, 53), (6401,), (7, 1000), (1000, 3), (9, 9)])
def test_a_long_sum_is_cut_where_both_sums_are_short(extents):
    axis, size = chunk_of(extents)
    terms, own = prod(extents), size * prod(extents[axis + 1 :])
    assert 1 <= size <= extents[axis]
    assert own + -(-terms // own) <= 6 * isqrt(terms)


def test_a_short_sum_is_not_cut():
    assert chunk_of((7, 7)) is None
    assert chunk_of((MOST_TERMS,)) is None


def layout(shape) -> str:
    return f"NCHW{shape[4]}c" if len(shape) == 5 else "NCHW"


@pytest.mark.parametrize(
    "shape",
    [(1, 2, 24, 160, 16), (1, 1, 101, 53, 4), (1, 2, 97, 1, 8), (1, 3, 80, 64)],
    ids=str,
)
def test_global_pools(shape, target):
    pooled = relay.nn.global_avg_pool2d(relay.var("x", shape=shape), layout=layout(shape))
    _near(pooled, shape, lambda x: x.mean(axis=(2, 3), keepdims=True), target)


def test_pools_over_large_windows(target):
    shape = (1, 2, 40, 60, 16)
    x = relay.var("x", shape=shape)
    pooled = relay.nn.avg_pool2d(x, (20, 30), (20, 30), layout="NCHW16c")
    _near(pooled, shape, lambda x: x.reshape(1, 2, 2, 20, 2, 30, 16).mean(axis=(3, 5)), target)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((2, 3001, 7), 1),
        ((1, 1024, 96), 1),
        ((1, 500, 37), 1),
        ((3, 50000), 1),
        ((30000,), 0),
        ((2, 60, 5, 90), (1, 3)),
        ((2, 70, 80, 33), (1, 2)),
    ],
    ids=str,
)
@pytest.mark.parametrize("reduce", ["mean", "variance"])
def test_sums(shape, axis, reduce, target):
    x = relay.var("x", shape=shape)
    own = {"mean": relay.mean, "variance": relay.variance}[reduce]
    exact = {"mean": np.mean, "variance": np.var}[reduce]
    _near(own(x, axis=axis), shape, lambda x: exact(x, axis=axis), target)


def _exponentials(x: np.ndarray) -> np.ndarray:
    return np.exp(x - x.max(axis=-1, keepdims=True))


def _softmax(x: np.ndarray) -> np.ndarray:
    return _exponentials(x) / _exponentials(x).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("shape", [(4, 6400), (2, 3, 197), (1, 5, 33), (3, 128), (2, 9)], ids=str)
def test_softmax(shape, target):
    x = relay.var("x", shape=shape)
    _near(relay.nn.softmax(x), shape, _softmax, target)
    _near(relay.negative(relay.nn.softmax(x)), shape, lambda x: -_softmax(x), target)
    _near(relay.nn.log_softmax(x), shape, lambda x: np.log(_softmax(x)), target)
    _near(relay.negative(relay.nn.log_softmax(x)), shape, lambda x: -np.log(_softmax(x)), target)


def test_softmax_along_other_axes_and_of_what_is_masked(target):
    shape = (2, 80, 5)
    x = relay.var("x", shape=shape)
    turned = relay.nn.softmax(x, axis=1)
    _near(turned, shape, lambda x: _softmax(x.swapaxes(1, 2)).swapaxes(1, 2), target)
    shape = (2, 80)
    x = relay.var("x", shape=shape)
    few = np.where(np.arange(80) < 3, 0, -np.inf).astype("float32")
    masked = relay.nn.softmax(x + relay.const(few))
    _near(masked, shape, lambda x: _softmax(x + few), target)


@pytest.mark.parametrize(
    "result",
    [
        lambda: topi.nn.adaptive_pool(te.placeholder((1, 2, 40, 40, 4)), (1, 1), "avg", "NCHW4c"),
        lambda: topi.sum(te.placeholder((1, 400, 96)), 1),
        lambda: topi.sum(te.placeholder((3, 5120)), 1),
    ],
    ids=["a block", "columns", "rows"],
)
def test_arm_boards_sum_chunks_in_vectors(result):
    out = result()
    with tvm.target.Target(ARM) as own:
        body = _lowered(summed(out, unit_of(own)), out)
    sums = [node for node in body if isinstance(node, tir.BufferStore) and _adds(node)]
    assert len(sums) >= 2, "a sum of sums"
    assert sum(tvm.DataType(node.value.dtype).lanes >= 4 for node in sums) >= 2


def test_arm_boards_take_softmax_in_vectors():
    out = topi.nn.softmax(te.placeholder((4, 197 + 11)), -1)
    with tvm.target.Target(ARM) as own:
        body = _lowered(rows(out, unit_of(own)), out)
    sums = [node for node in body if isinstance(node, tir.BufferStore) and _adds(node)]
    assert max(tvm.DataType(node.value.dtype).lanes for node in sums) == 16


def _lowered(schedule: te.Schedule, out: te.Tensor) -> list:
    """All nodes of a kernel of one input."""
    found, inputs, seen = [], [], [out.op]
    while seen:
        op = seen.pop()
        inputs += [op.output(0)] if isinstance(op, te.PlaceholderOp) else []
        seen += [tensor.op for tensor in op.input_tensors]
    lowered = tvm.lower(schedule, [inputs[0], out])["main"]
    tir.stmt_functor.post_order_visit(lowered.body, found.append)
    return found


def _adds(store: tir.BufferStore) -> bool:
    return isinstance(store.value, tir.Add)


def _near(result: relay.Expr, shape: tuple[int, ...], exact: Callable, target: str) -> None:
    """Hold a kernel of numbers between 0 and 1, whose roundings add up, against float64."""
    x = np.random.default_rng(sum(shape)).uniform(size=shape).astype("float32")
    got = computed(result, x, target)
    with np.errstate(divide="ignore"):
        expected = exact(x.astype("float64"))
    assert got.shape == expected.shape
    most = np.abs(expected).max()
    assert np.abs(got - expected).max() <= ROUNDING * most
