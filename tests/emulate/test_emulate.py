# SPDX-License-Identifier: Apache-2.0
"""The emulator: whole models cut over boards, deadlocks, bad input."""

from dataclasses import replace

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.errors import InputError, PlanError
from flexpie_tvm.plan import ClusterSpec, uniform_plan
from flexpie_tvm.relay import FlexPiePartition, import_module, lower
from flexpie_tvm.testing import DeadlockError, emulate, emulate_lowered, emulate_whole
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.properties import relative_error


def chain(layers=2):
    """Convolutions of 3x3 on a map of 1x3x8x6."""
    rng = np.random.default_rng(0)
    x = y = relay.var("x", shape=(1, 3, 8, 6))
    for _ in range(layers):
        w = relay.const(rng.standard_normal((3, 3, 3, 3)).astype("float32"))
        y = relay.nn.relu(relay.nn.conv2d(y, w, padding=(1, 1), channels=3, kernel_size=(3, 3)))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], y)))


def image():
    return {"x": np.random.default_rng(1).standard_normal((1, 3, 8, 6)).astype("float32")}


@pytest.mark.parametrize("scheme", ["InH", "InW", "OutC", "2D-grid:2x2", "Single"])
def test_every_scheme_gives_the_whole_answer(scheme):
    mod = chain()
    expected = emulate_whole(mod, image())
    found = emulate_lowered(lower(FlexPiePartition(4, scheme)(mod)), image())
    assert relative_error(found, expected) < 1e-6


def test_a_plan_and_its_module_give_the_whole_answer():
    mod = chain()
    plan = uniform_plan(import_module(mod).graph, ClusterSpec(3), "InH")
    (expected,) = emulate_whole(mod, image())
    (found,) = emulate(plan, mod, image())
    assert found.shape == (1, 3, 8, 6)
    np.testing.assert_array_equal(found, expected)


def test_a_plan_for_another_module_is_refused():
    plan = uniform_plan(import_module(chain(3)).graph, ClusterSpec(3), "InH")
    with pytest.raises(PlanError, match="plan is for another model: it has no tensor 'relu_2'"):
        emulate(plan, chain(2), image())


def test_the_annotated_module_is_still_the_whole_model():
    mod = chain()
    found = emulate_whole(FlexPiePartition(3, "InH")(mod), image())
    assert relative_error(found, emulate_whole(mod, image())) == 0


def test_numpy_and_compiled_operators_agree():
    mod = chain()
    compiled = emulate_whole(mod, image(), Evaluator(use_numpy=False))
    assert relative_error(emulate_whole(mod, image()), compiled) < 1e-6


def test_more_boards_than_rows():
    mod = chain()
    found = emulate_lowered(lower(FlexPiePartition(13, "InH")(mod)), image())
    assert relative_error(found, emulate_whole(mod, image())) < 1e-6


def test_a_message_that_nobody_sends_is_reported_as_a_deadlock():
    lowered = lower(FlexPiePartition(2, "InH")(chain()))
    geometry = lowered.geometry
    (exchange,) = geometry.exchanges
    from_nobody = replace(exchange.messages[0], source=1, target=0)
    spoiled = replace(exchange, messages=(from_nobody, replace(from_nobody, source=0, target=1)))
    other = replace(spoiled, messages=tuple(replace(m, source=5) for m in spoiled.messages))
    lowered = replace(lowered, geometry=replace(geometry, exchanges=(other,)))
    with pytest.raises(DeadlockError, match=r"board 0 waits at exchange 0 for boards \[5\]"):
        emulate_lowered(lowered, image())


def test_boards_that_meet_exchanges_in_another_order_deadlock():
    lowered = lower(FlexPiePartition(2, "InH")(chain(3)))
    first, second = lowered.geometry.exchanges
    swapped = _swap_exchanges(lowered.boards[1])
    lowered = replace(lowered, boards=(lowered.boards[0], swapped))
    assert (first.id, second.id) == (0, 1)
    with pytest.raises(DeadlockError, match=r"board 0 .* board 1"):
        emulate_lowered(lowered, image())


def test_a_slice_that_is_not_sent_spoils_the_answer():
    """Whatever a board holds without having received it is NaN."""
    lowered = lower(FlexPiePartition(2, "InH")(chain()))
    exchange = lowered.geometry.exchanges[0]
    less = replace(exchange, messages=exchange.messages[:1])
    lowered = replace(lowered, geometry=replace(lowered.geometry, exchanges=(less,)))
    (found,) = emulate_lowered(lowered, image())
    assert np.isnan(found).any()


def test_missing_and_misshapen_inputs():
    lowered = lower(FlexPiePartition(2, "InH")(chain()))
    with pytest.raises(InputError, match="input 'x' is missing"):
        emulate_lowered(lowered, {})
    with pytest.raises(InputError, match="input 'x' has shape"):
        emulate_lowered(lowered, {"x": np.zeros((1, 3, 8, 7), "float32")})


def test_inputs_and_constants_as_outputs():
    x = relay.var("x", shape=(1, 3, 8, 6))
    body = relay.Tuple([x, relay.const(np.float32(3)), relay.nn.relu(x), x])
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], body)))
    found = emulate_lowered(lower(FlexPiePartition(3, "InW")(mod)), image())
    assert relative_error(found, emulate_whole(mod, image())) == 0


def _swap_exchanges(mod):
    """A board's module in which exchange 0 calls itself 1 and the other way round."""

    class Swap(relay.ExprMutator):
        def visit_call(self, call):
            args = [self.visit(a) for a in call.args]
            attrs = call.attrs
            if call.op.name == "flexpie.exchange":
                changed = {str(k): attrs[k] for k in attrs.keys()}
                changed["exchange"] = 1 - int(attrs["exchange"])
                attrs = tvm.ir.make_node("DictAttrs", **changed)
            return relay.Call(call.op, args, attrs)

    main = mod["main"]
    body = Swap().visit(main.body)
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function(main.params, body)))
