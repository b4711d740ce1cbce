# SPDX-License-Identifier: Apache-2.0
"""Before code is made, exchanges read from data which one of which board they are."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relay

from flexpie_tvm import FlexPiePartition, lower
from flexpie_tvm.codegen.merge import merge
from flexpie_tvm.relay import exchange_op
from flexpie_tvm.relay.rewrite import post_order


def chain(layers: int) -> tvm.IRModule:
    """Equal convolutions one after the other."""
    rng = np.random.default_rng(layers)
    y = x = relay.var("x", shape=(1, 4, 8, 8))
    for _ in range(layers):
        weight = relay.const(rng.normal(size=(4, 4, 3, 3)).astype("float32"))
        y = relay.nn.conv2d(y, weight, channels=4, kernel_size=(3, 3), padding=1)
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], y)))


def exchanges(mod: tvm.IRModule) -> list[relay.Call]:
    calls = [n for n in post_order(mod["main"].body) if isinstance(n, relay.Call)]
    return [call for call in calls if call.op.name == exchange_op.NAME]


def numbers_of(call: relay.Call) -> tuple[int, int]:
    return tuple(call.args[0].fields[1].data.numpy().tolist())


def test_ranks_and_ids_move_into_constants():
    boards = lower(FlexPiePartition(2, "InH")(chain(4))).boards
    said = [
        (int(call.attrs["board"]), int(call.attrs["exchange"]))
        for board in boards
        for call in exchanges(board)
    ]
    merged = merge(boards)
    assert sorted(map(numbers_of, exchanges(merged))) == sorted(said)
    assert len(set(said)) == len(said) >= 6
    for call in exchanges(merged):
        assert not {"board", "exchange"} & set(call.attrs.keys())
        assert len(call.args[0].fields) == 3


def test_what_boards_call_is_the_same_for_another_exchange():
    """Calls of equal shapes differ in what they are given alone: they are one kernel."""
    boards = lower(FlexPiePartition(2, "InH")(chain(5))).boards
    merged = relay.transform.InferType()(merge(boards))
    calls = exchanges(merged)
    kernels = set()
    for call in calls:
        given = [relay.var("given", field.checked_type) for field in call.args[0].fields]
        body = relay.Call(call.op, [relay.Tuple(given)], call.attrs)
        kernels.add(tvm.ir.structural_hash(relay.Function(given, body)))
    assert len(calls) == sum(len(exchanges(board)) for board in boards) >= 8
    assert len(kernels) < len(calls) / 2


def test_a_module_without_exchanges_stays_as_it_is():
    body = chain(1)["main"].body
    assert tvm.ir.structural_equal(exchange_op.numbers_as_data(body), body)
