# SPDX-License-Identifier: Apache-2.0
"""Our kernel of ``nn.batch_matmul``: answers of numpy, whatever the sizes."""

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from tvm import relay, te
from tvm.contrib import graph_executor

from flexpie_tvm.graph.steps import lane_tile, register_tile
from flexpie_tvm.kernels.batch_matmul import batch_product, schedule_batch_product
from flexpie_tvm.kernels.context import build_context
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.machine import AVX2, AVX512, NEON, SSE

from .blocked import ARM, compiled, lane_products, result, spread_numbers

#: Batches of both operands, rows, columns, depth.
SIZES = [
    (1, 1, 1, 1, 1), (2, 2, 1, 50, 16), (3, 3, 2, 17, 80), (2, 2, 7, 16, 15), (2, 2, 8, 5, 64),
    (2, 2, 9, 197, 64), (1, 1, 25, 33, 7), (4, 1, 13, 49, 20), (1, 3, 13, 49, 20),
    (1, 2, 4, 35, 37), (2, 2, 64, 128, 33), (1, 1, 512, 4, 64), (1, 1, 3, 300, 1),
    (3, 3, 197, 1, 80),
]  # fmt: skip


@given(st.integers(1, 2000), st.integers(1, 2000), st.sampled_from([SSE, AVX2, AVX512, NEON]))
def test_a_tile_fits_the_registers_and_little_is_too_much(rows, columns, unit):
    step, vectors = register_tile(rows, columns, unit)
    assert step <= rows
    assert step * vectors <= (24 if unit.registers == 32 else 12)
    assert -(-rows // step) * step < rows + -(-rows // step)
    assert vectors <= -(-columns // unit.lanes)


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_a_tile_by_lanes_leaves_registers_for_a_vector_of_each_row(rows, columns):
    step, vectors = lane_tile(rows, columns, NEON)
    assert step * vectors + step + min(vectors, 4) < NEON.registers
    assert -(-rows // step) * step < rows + -(-rows // step)
    assert vectors <= -(-columns // NEON.lanes)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("second", [False, True], ids=["", "b_transposed"])
def test_numbers_are_read_as_lanes_on_arm(sizes, second):
    """Its schedule, with the code of this machine: answers. With that of ARM: instructions."""
    na, nb, rows, columns, depth = sizes
    rng = np.random.default_rng(sum(sizes))
    a, b = _normal(rng, na, rows, depth), _normal(rng, nb, depth, columns)
    given_b = np.ascontiguousarray(b.swapaxes(1, 2)) if second else b
    x, y = (te.placeholder(v.shape, name=n) for n, v in (("x", a), ("y", given_b)))
    product = batch_product(x, y, transpose_b=second, unit=NEON)
    schedule, args = schedule_batch_product([product]), [x, y, product]
    expected = a @ b
    found = result(compiled(schedule, args), [a, given_b], expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    if min(rows, columns) > 8 and depth >= 4:
        assembly = compiled(schedule, args, ARM).get_source("asm")
        assert lane_products(assembly) > 10 * spread_numbers(assembly)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("first", [False, True], ids=["", "a_transposed"])
@pytest.mark.parametrize("second", [False, True], ids=["", "b_transposed"])
def test_answers_are_those_of_numpy(sizes, first, second, target):
    na, nb, rows, columns, depth = sizes
    rng = np.random.default_rng(sum(sizes))
    a, b = _normal(rng, na, rows, depth), _normal(rng, nb, depth, columns)
    given_a, given_b = a.swapaxes(1, 2) if first else a, b.swapaxes(1, 2) if second else b
    x, y = (relay.var(n, shape=v.shape) for n, v in (("x", given_a), ("y", given_b)))
    product = relay.nn.batch_matmul(x, y, transpose_a=first, transpose_b=second)
    _check(relay.Function([x, y], product), a @ b, target, x=given_a, y=given_b)


@pytest.mark.parametrize("rows", [5, 40])
@pytest.mark.parametrize("cpu", ["", "-mcpu=haswell", "-mcpu=x86-64"])
def test_what_is_fused_behind_is_computed_with_it(rows, cpu, target):
    """The scaled and masked scores of attention, with vectors of any width."""
    rng = np.random.default_rng(rows)
    a, b, mask = _normal(rng, 3, rows, 24), _normal(rng, 3, 19, 24), _normal(rng, 1, rows, 19)
    x, y, m = (relay.var(n, shape=v.shape) for n, v in (("x", a), ("y", b), ("m", mask)))
    scores = relay.nn.batch_matmul(x, y) * relay.const(np.float32(0.2)) + m
    function = relay.Function([x, y, m], relay.nn.relu(scores))
    expected = np.maximum(a @ b.swapaxes(1, 2) * np.float32(0.2) + mask, 0)
    _check(function, expected, f"llvm {cpu}" if cpu else target, x=a, y=b, m=mask)


@pytest.mark.parametrize(("rows", "transposed"), [(6, True), (20, True), (20, False)])
def test_a_tensor_times_itself(rows, transposed, target):
    columns = 18 if transposed else rows
    a = _normal(np.random.default_rng(rows), 2, rows, columns)
    x = relay.var("x", shape=a.shape)
    product = relay.nn.batch_matmul(x, x, transpose_a=False, transpose_b=transposed)
    _check(relay.Function([x], product), a @ (a.swapaxes(1, 2) if transposed else a), target, x=a)


@pytest.mark.parametrize("rows", [5, 20])
def test_other_numbers_are_left_to_tvm(rows, target):
    a, b = (np.random.default_rng(k).integers(-9, 9, (2, rows, 20), "int32") for k in (0, 1))
    x, y = (relay.var(n, shape=a.shape, dtype="int32") for n in "xy")
    product = relay.nn.batch_matmul(x, y, out_dtype="int32")
    _check(relay.Function([x, y], product), a @ b.swapaxes(1, 2), target, x=a, y=b)


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype="float32")


def _check(function: relay.Function, expected: np.ndarray, target: str, **feeds) -> None:
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(function))
    with build_context(laid_out=True):
        library = relay.build(mod, keyed(target))
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    module.run(**feeds)
    found = module.get_output(0).numpy()
    scale = np.abs(expected).max() or 1
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)
