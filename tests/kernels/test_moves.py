# SPDX-License-Identifier: Apache-2.0
"""Transposes and shuffles in tiles: every element where it belongs, for all sorts of shapes."""

import numpy as np
import pytest
import tvm
from tvm import relay, te, topi
from tvm.contrib import graph_executor

from flexpie_tvm.kernels.context import build_context
from flexpie_tvm.kernels.moves import moved
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.machine import AVX512, NEON

IMAGES = [(1, 24, 26, 38), (2, 33, 17, 31), (1, 3, 80, 75), (1, 512, 5, 10), (1, 640, 19, 12)]
AXES = [(0, 2, 3, 1), (0, 1, 3, 2), (0, 3, 1, 2), (0, 3, 2, 1), (3, 0, 2, 1)]


@pytest.mark.parametrize("shape", [*IMAGES, (1, 4, 5, 6)], ids=str)
def test_transposes(shape, target):
    value = _random(shape)
    x = relay.var("x", shape=shape)
    moved = [relay.transpose(x, axes) for axes in AXES]
    moved.append(relay.nn.relu(relay.transpose(relay.negative(x), AXES[2])))
    expected = [value.transpose(axes) for axes in AXES]
    expected.append(np.maximum(-value, 0).transpose(AXES[2]))
    _same(moved, value, expected, target)


@pytest.mark.parametrize("block", [3, 8, 14, 16])
@pytest.mark.parametrize(("rows", "columns"), [(37, 43), (16, 64), (1, 640), (90, 7), (3, 5)])
def test_blocks_of_channels(block, rows, columns, target):
    value = _random((1, 3, rows, columns, block))
    plain = value.transpose(0, 1, 4, 2, 3).reshape(1, 3 * block, rows, columns)
    x = relay.var("x", shape=value.shape)
    moved = relay.layout_transform(x, f"NCHW{block}c", "NCHW")
    last = relay.layout_transform(x, f"NCHW{block}c", "NHWC")
    _same([moved, moved + moved, last], value, [plain, 2 * plain, _last(plain)], target)
    x = relay.var("x", shape=plain.shape)
    _same([relay.layout_transform(x, "NCHW", f"NCHW{block}c")], plain, [value], target)


@pytest.mark.parametrize("block", [1, 2, 3, 4])
@pytest.mark.parametrize("columns", [1, 7, 31, 32, 37, 64])
@pytest.mark.parametrize("batch", [1, 2])
def test_channels_to_pixels(block, columns, batch, target):
    value = _random((batch, 2 * block * block, 5, columns))
    parts = value.reshape(batch, 2, block, block, 5, columns).transpose(0, 1, 4, 2, 5, 3)
    crd = parts.reshape(batch, 2, 5 * block, columns * block)
    parts = value.reshape(batch, block, block, 2, 5, columns).transpose(0, 3, 4, 1, 5, 2)
    dcr = parts.reshape(crd.shape)
    x = relay.var("x", shape=value.shape)
    shuffled = [relay.nn.depth_to_space(x, block, mode=mode) for mode in ("CRD", "DCR")]
    shuffled.append(relay.nn.relu(shuffled[0]) + relay.const(1.0))
    _same(shuffled, value, [crd, dcr, np.maximum(crd, 0) + 1], target)


def test_channels_to_pixels_with_channels_last(target):
    value = _random((1, 5, 37, 8))
    pixels = value.reshape(1, 5, 37, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(1, 10, 74, 2)
    x = relay.var("x", shape=value.shape)
    _same([relay.nn.depth_to_space(x, 2, "NHWC")], value, [pixels], target)


def test_rows_that_share_cache_lines_are_written_side_by_side():
    x = te.placeholder((1, 64, 40, 40), name="x")
    transposed = topi.transpose(x, (0, 3, 1, 2))
    for unit in (AVX512, NEON):
        ours = str(tvm.lower(moved(transposed, unit), [x, transposed]))
        assert ours != str(tvm.lower(topi.x86.schedule_injective(transposed), [x, transposed]))


def _random(shape) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def _last(plain: np.ndarray) -> np.ndarray:
    return plain.transpose(0, 2, 3, 1)


def _same(results: list, value: np.ndarray, expected: list[np.ndarray], target: str) -> None:
    x = relay.analysis.free_vars(relay.Tuple(results))
    mod = tvm.IRModule.from_expr(relay.Function(x, relay.Tuple(results)))
    with build_context(laid_out=True):
        library = relay.build(mod, keyed(target))
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    module.set_input(0, value)
    module.run()
    for k, right in enumerate(expected):
        np.testing.assert_array_equal(module.get_output(k).numpy(), right)
