# SPDX-License-Identifier: Apache-2.0
"""Integer floor division compiles, and is what numpy says for all signs."""

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.testing.tiles import run_module

NUMBERS = np.array([-(2**31), -9, -4, -3, -1, 0, 1, 2, 3, 7, 2**31 - 1])
DIVISORS = np.array([-(2**31) + 1, -3, -2, 1, 2, 3, 2**31 - 1])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_all_signs(dtype):
    a, b = (x.astype(dtype) for x in np.meshgrid(NUMBERS, DIVISORS))
    x, y = (relay.var(name, shape=a.shape, dtype=dtype) for name in "xy")
    body = relay.Tuple([relay.floor_divide(x, y), relay.floor_mod(x, y)])
    mod = tvm.IRModule.from_expr(relay.Function([x, y], body))
    quotient, rest = run_module(mod, {"x": a, "y": b})
    np.testing.assert_array_equal(quotient, a // b)
    np.testing.assert_array_equal(rest, a % b)


@pytest.mark.parametrize("divisor", [-3, 2, 5])
def test_a_constant_divisor(divisor):
    values = np.arange(-12, 12, dtype="int32").reshape(4, 6)
    x, y = relay.var("x", shape=(4, 6), dtype="int32"), relay.const(divisor, "int32")
    body = relay.Tuple([relay.floor_divide(x, y), relay.floor_mod(x, y)])
    quotient, rest = run_module(tvm.IRModule.from_expr(relay.Function([x], body)), {"x": values})
    np.testing.assert_array_equal(quotient, values // divisor)
    np.testing.assert_array_equal(rest, values % divisor)
