# SPDX-License-Identifier: Apache-2.0
"""Rows that are no whole number of vectors: same answers, no scalar loops."""

from math import ceil

import numpy as np
import pytest
import tvm
from tvm import relay, te, tir, topi
from tvm.contrib import graph_executor

from flexpie_tvm.kernels.context import CONFIG, build_context
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.machine.vector_unit import STEP

from .moving import ARM, UNKNOWN, X86, nodes


@pytest.mark.parametrize("columns", [3, 16, 19, 37, 64, 90])
@pytest.mark.parametrize("target", [X86, ARM])
def test_a_row_is_written_in_whole_vectors_and_a_shorter_one(columns, target):
    body = _lowered(topi.nn.relu(_row(columns)), target)
    written = _written(body)
    assert sum(times * lanes for lanes, times in written) == columns
    assert sum(times for _, times in written) == ceil(columns / STEP)
    assert not _conditions(body)


def test_without_a_known_vector_unit_the_kernel_is_left():
    assert _conditions(_lowered(topi.nn.relu(_row(37)), UNKNOWN))


@pytest.mark.parametrize(("columns", "lanes"), [(16, {1}), (32, {1}), (80, {1}), (96, {16})])
def test_reads_at_divided_indices_are_left_to_llvm(columns, lanes):
    """But not 16 vectors in a loop: LLVM would make one of the loop."""
    body = _lowered(topi.repeat(_row(columns), 3, 3), X86)
    assert {written for written, _ in _written(body)} == lanes
    assert not _conditions(body)


@pytest.mark.parametrize("columns", [8, 20, 37, 128])
def test_reads_at_indices_divided_alike_in_all_vectors_are_shuffled(columns):
    body = _lowered(topi.repeat(_row(columns), 2, 3), X86)
    written = _written(body)
    assert sum(times for _, times in written) == ceil(2 * columns / STEP)
    assert nodes(body, tir.Shuffle)


def test_an_unrolled_kernel_is_left(target):
    """A product in steps of 8 rows of 13: TVM cannot unroll what is cut in two."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(13, 24)).astype("float32"), rng.normal(size=(64, 24)).astype("float32")
    data = relay.var("x", shape=x.shape)
    packed = relay.const(np.ascontiguousarray(w.reshape(2, 32, 24).transpose(0, 2, 1)))
    product = relay.nn.contrib_dense_pack(data, packed, "NC32n", 64, "float32")
    _same(product, [x], x @ w.T, target)


def test_rows_of_unknown_length_are_computed_in_some_way():
    row = te.placeholder((te.size_var("n"),), name="x")
    with tvm.target.Target(X86), tvm.transform.PassContext(3, config=CONFIG):
        result = topi.repeat(row, 2, 0)
        kernel = tvm.build(topi.x86.schedule_injective(result), [row, result], "llvm")
    for n in (1, 16, 37):
        x, y = tvm.nd.array(np.arange(n, dtype="float32")), tvm.nd.empty((2 * n,))
        kernel(x, y)
        np.testing.assert_array_equal(y.numpy(), np.arange(n).repeat(2))


@pytest.mark.parametrize("columns", [5, 16, 19, 37, 90])
@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (lambda x: relay.nn.relu(x), lambda x: np.maximum(x, 0)),
        (lambda x: relay.transpose(x, (0, 1, 3, 2)), lambda x: x.transpose(0, 1, 3, 2)),
        (lambda x: relay.layout_transform(x, "NCHW", "NCHW8c"), lambda x: _blocked(x)),
        (
            lambda x: relay.nn.pad(x, [(0, 0)] * 3 + [(1, 2)]),
            lambda x: np.pad(x, [(0, 0)] * 3 + [(1, 2)]),
        ),
        (
            lambda x: relay.strided_slice(x, [0, 0, 0, 1], [1, 16, 5, 10_000], [1, 1, 1, 2]),
            lambda x: x[..., 1::2],
        ),
        (
            lambda x: relay.image.resize2d(
                x,
                (10, 2 * int(x.type_annotation.shape[3])),
                None,
                "NCHW",
                "nearest_neighbor",
                "asymmetric",
            ),
            lambda x: x.repeat(2, 2).repeat(2, 3),
        ),
        (lambda x: relay.reshape(x, (-1,)), lambda x: x.reshape(-1)),
        (lambda x: relay.tile(x, (1, 1, 1, 3)), lambda x: np.tile(x, (1, 1, 1, 3))),
        (
            lambda x: relay.concatenate([x, relay.negative(x)], 3),
            lambda x: np.concatenate([x, -x], 3),
        ),
    ],
    ids=["relu", "transpose", "blocks", "pad", "slice", "nearest", "flat", "tile", "concatenate"],
)
def test_answers_stay_the_same(operator, expected, columns, target):
    x = np.random.default_rng(columns).normal(size=(1, 16, 5, columns)).astype("float32")
    _same(operator(relay.var("x", shape=x.shape)), [x], expected(x), target)


def test_an_image_in_blocks_is_laid_out_plainly(target):
    x = np.random.default_rng(1).normal(size=(1, 2, 3, 37, 8)).astype("float32")
    plain = relay.layout_transform(relay.var("x", shape=x.shape), "NCHW8c", "NCHW")
    _same(plain, [x], x.transpose(0, 1, 4, 2, 3).reshape(1, 16, 3, 37), target)


def _same(expr: relay.Expr, values: list[np.ndarray], expected: np.ndarray, target: str) -> None:
    mod = tvm.IRModule.from_expr(relay.Function(relay.analysis.free_vars(expr), expr))
    with build_context(laid_out=True):
        library = relay.build(mod, keyed(target))
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    for k, value in enumerate(values):
        module.set_input(k, value)
    module.run()
    np.testing.assert_allclose(module.get_output(0).numpy(), expected, rtol=1e-5, atol=1e-5)


def _blocked(x: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    return x.reshape(n, c // 8, 8, h, w).transpose(0, 1, 3, 4, 2)


def _row(columns: int) -> te.Tensor:
    return te.placeholder((1, 2, 3, columns), name="x")


def _lowered(result: te.Tensor, target: str) -> tir.Stmt:
    """The kernel of a tensor by the x86 schedule, before LLVM."""
    schedule = topi.x86.schedule_injective(result)
    operands = [*result.op.input_tensors, result]
    with tvm.target.Target(target), tvm.transform.PassContext(3, config=CONFIG):
        return tvm.lower(schedule, operands)["main"].body


def _conditions(body: tir.Stmt) -> list[tir.Stmt]:
    found = []
    tir.stmt_functor.post_order_visit(
        body, lambda node: found.append(node) if isinstance(node, tir.IfThenElse) else None
    )
    return found


def _written(body: tir.Stmt) -> list[tuple[int, int]]:
    """Lanes of each store, and how often a row has it."""
    found = []

    def visit(stmt, times: int) -> None:
        if isinstance(stmt, tir.For):
            inner = "outer" in stmt.loop_var.name
            visit(stmt.body, times * (int(stmt.extent) if inner else 1))
        elif isinstance(stmt, tir.SeqStmt):
            for part in stmt:
                visit(part, times)
        elif isinstance(stmt, tir.BufferStore):
            found.append((tvm.DataType(stmt.value.dtype).lanes, times))
        else:
            visit(stmt.body if hasattr(stmt, "body") else stmt.then_case, times)

    visit(body, 1)
    return found
