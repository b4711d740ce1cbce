# SPDX-License-Identifier: Apache-2.0
"""Numbers that multiply vectors, read as lanes: the same answers, on every target."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import te, tir

from flexpie_tvm.kernels.tir.lane_reads import lane_reads

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
CONFIG = {"tir.disable_cse_tir": True, "tir.add_lower_pass": [(3, lane_reads())]}


@pytest.mark.parametrize("columns", [4, 8, 16])
def test_numbers_may_be_spread_over_more_lanes_than_are_read(columns):
    x, y, z, schedule = _outer(columns)
    with tvm.transform.PassContext(3, config=CONFIG):
        module = tvm.lower(schedule, [x, y, z])
        kernel = tvm.build(module, target="llvm")
    assert {tvm.DataType(node.dtype).lanes for node in _shuffles(module)} == {columns}
    rng = np.random.default_rng(columns)
    a, b = (rng.standard_normal(shape, dtype="float32") for shape in ((3, 8), (columns,)))
    found = tvm.nd.empty((3, 8, columns))
    kernel(tvm.nd.array(a), tvm.nd.array(b), found)
    np.testing.assert_array_equal(found.numpy(), a[..., None] * b)


@pytest.mark.parametrize(
    ("target", "joined"),
    [(ARM, True), ("llvm", False), ("llvm -mtriple=x86_64-linux-gnu -keys=arm_cpu,cpu", False)],
)
def test_only_kernels_for_neon_are_changed(target, joined):
    x, y, z, schedule = _outer(8)
    with tvm.target.Target(target), tvm.transform.PassContext(3, config=CONFIG):
        module = tvm.lower(schedule, [x, y, z])
    assert bool(_shuffles(module)) == joined


def _outer(columns: int):
    """Each of 8 neighbours times a vector, side by side."""
    x, y = te.placeholder((3, 8), name="x"), te.placeholder((columns,), name="y")
    z = te.compute((3, 8, columns), lambda n, i, j: x[n, i] * y[j])
    schedule = te.create_schedule(z.op)
    _, i, j = z.op.axis
    schedule[z].unroll(i)
    schedule[z].vectorize(j)
    return x, y, z, schedule


def _shuffles(module: tvm.IRModule) -> list[tir.Shuffle]:
    found = []

    def visit(node) -> None:
        if isinstance(node, tir.Shuffle):
            found.append(node)

    tir.stmt_functor.post_order_visit(module["main"].body, visit)
    return found
