# SPDX-License-Identifier: Apache-2.0
"""Integer floor division compiles, and is what numpy says for all signs."""

import numpy as np
import onnx
import pytest
import tvm
from onnx import TensorProto, helper
from tvm import relay

from flexpie_tvm.relay.floor_division import floor_divide
from flexpie_tvm.relay.onnx_model import load_onnx
from flexpie_tvm.testing.tiles import run_module

NUMBERS = np.array([-(2**31), -9, -4, -3, -1, 0, 1, 2, 3, 7, 2**31 - 1])
DIVISORS = np.array([-(2**31) + 1, -3, -2, 1, 2, 3, 2**31 - 1])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_all_signs(dtype):
    a, b = (x.astype(dtype) for x in np.meshgrid(NUMBERS, DIVISORS))
    x, y = (relay.var(name, shape=a.shape, dtype=dtype) for name in "xy")
    body = relay.Tuple([relay.floor_divide(x, y), relay.floor_mod(x, y), floor_divide(x, y)])
    mod = tvm.IRModule.from_expr(relay.Function([x, y], body))
    quotient, rest, composed = run_module(mod, {"x": a, "y": b})
    np.testing.assert_array_equal(quotient, a // b)
    np.testing.assert_array_equal(rest, a % b)
    np.testing.assert_array_equal(composed, a // b)


@pytest.mark.parametrize("divisor", [-3, 2, 5])
def test_a_constant_divisor(divisor):
    values = np.arange(-12, 12, dtype="int32").reshape(4, 6)
    x, y = relay.var("x", shape=(4, 6), dtype="int32"), relay.const(divisor, "int32")
    body = relay.Tuple([relay.floor_divide(x, y), relay.floor_mod(x, y)])
    quotient, rest = run_module(tvm.IRModule.from_expr(relay.Function([x], body)), {"x": values})
    np.testing.assert_array_equal(quotient, values // divisor)
    np.testing.assert_array_equal(rest, values % divisor)


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_a_convolution_that_pads_by_itself_is_imported(mode, tmp_path):
    """The importer finds the pads by folding a floor division."""
    weight = np.ones((1, 1, 2, 2), "float32")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], auto_pad=mode)],
        "same",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, 3, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 1, 3, 4))],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    onnx.save(model, str(tmp_path / "same.onnx"))
    image = np.arange(12, dtype="float32").reshape(1, 1, 3, 4)
    (found,) = run_module(load_onnx(tmp_path / "same.onnx"), {"x": image})
    after = int(mode == "SAME_UPPER")
    padded = np.pad(image[0, 0], ((1 - after, after), (1 - after, after)))
    expected = padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]
    np.testing.assert_array_equal(found[0, 0], expected)
