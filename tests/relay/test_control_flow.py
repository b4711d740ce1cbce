# SPDX-License-Identifier: Apache-2.0
"""What is not data flow is refused with one sentence."""

import pytest
import tvm
from tvm import relay

from flexpie_tvm.errors import ModelError
from flexpie_tvm.relay import import_module


def typed(params, body):
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function(params, body)))


def test_a_condition():
    x = relay.var("x", shape=(2, 3))
    chosen = relay.var("chosen", shape=(), dtype="bool")
    body = relay.If(chosen, relay.nn.relu(x), relay.negative(x))
    with pytest.raises(ModelError, match="has a If expression: only data flow can be cut"):
        import_module(typed([x, chosen], body))


def test_a_function_whose_body_has_variables_of_its_own():
    x, y = relay.var("x", shape=(2, 3)), relay.var("y", shape=(2, 3))
    double = relay.Function([y], relay.add(y, y))
    with pytest.raises(ModelError, match=r"only data flow can be cut|inline it"):
        import_module(typed([x], relay.nn.relu(relay.Call(double, [x]))))


def test_a_let_binding():
    x, y = relay.var("x", shape=(2, 3)), relay.var("y", shape=(2, 3))
    with pytest.raises(ModelError, match="has a Let expression"):
        import_module(typed([x], relay.Let(y, relay.nn.relu(x), relay.add(y, y))))
