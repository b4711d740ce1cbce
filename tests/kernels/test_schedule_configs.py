# SPDX-License-Identifier: Apache-2.0
"""Tiles of TVM's ARM templates, which have none without a server's log."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from tvm import relay

from flexpie_tvm.kernels.context import stock_context
from flexpie_tvm.kernels.schedule_configs import LANES, MOST_SUMS, convolution_tile, depthwise_tile

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
EXTENTS = st.integers(1, 130)


@given(EXTENTS, EXTENTS, EXTENTS)
def test_a_tile_divides_the_whole_and_fits_the_registers(channels, rows, columns):
    deep, high, wide = convolution_tile(channels, rows, columns)
    assert (channels % deep, rows % high, columns % wide) == (0, 0, 0)
    along_columns = deep < LANES and wide % LANES == 0
    vectors = deep * -(-wide // LANES) if along_columns else -(-deep // LANES) * wide
    assert vectors * high <= MOST_SUMS
    tile = depthwise_tile(channels, rows, columns)
    assert [n % t for n, t in zip((channels, rows, columns), tile, strict=True)] == [0, 0, 0]


@pytest.mark.parametrize("columns", [56, 28, 14, 7, 13, 37])
def test_a_tile_keeps_several_sums_at_any_width(columns):
    deep, high, wide = convolution_tile(64, 56, columns)
    assert deep % LANES == 0
    assert deep // LANES * high * wide >= 12  # enough that no sum waits for itself


@pytest.mark.parametrize(
    ("channels", "filters", "size", "groups"),
    [(16, 16, (8, 8), 1), (16, 16, (7, 13), 1), (3, 1, (16, 16), 1), (16, 16, (8, 7), 16)],
)
def test_convolutions_on_arm_are_sums_of_vectors(channels, filters, size, groups):
    assembly = _assembly(channels, filters, size, groups)
    assert len(re.findall(r"\bfmla\s+v\d+\.[42]s", assembly)) >= 9
    assert not re.findall(r"\bf(madd|mul)\s+s\d+", assembly)


def test_a_build_does_not_depend_on_those_before():
    alone = _assembly(16, 16, (8, 8), 1)
    _assembly(16, 16, (7, 13), 1)
    assert _assembly(16, 16, (8, 8), 1) == alone


def _assembly(channels: int, filters: int, size: tuple[int, int], groups: int) -> str:
    rng = np.random.default_rng(3)
    data = relay.var("x", shape=(1, channels, *size))
    values = rng.standard_normal((filters, channels // groups, 3, 3)).astype("float32")
    conv = relay.nn.conv2d(
        data, relay.const(values), kernel_size=(3, 3), channels=filters, padding=(1, 1, 1, 1),
        groups=groups,
    )  # fmt: skip
    with stock_context():
        factory = relay.build(tvm.IRModule.from_expr(conv), ARM)
    return factory.lib.get_source("asm")
