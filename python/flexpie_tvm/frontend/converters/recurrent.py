# SPDX-License-Identifier: Apache-2.0
"""``RNN``, ``GRU`` and ``LSTM``: one layer each, written out step by step inside.

What a step computes of its input alone is one product for all steps. A sequence that is shorter
than the others keeps its state from its end on, and its results behind are zero; in the reverse
direction its state stays as it begins until its last element comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from tvm import relay

from .node import Node, dtype_of, scalar, tensor
from .one_layer import one_layer
from .steps import Function, Step, activations_of, gru_step, lstm_step, rnn_step, unchanged

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS: dict[str, Callable[..., Step]] = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


@dataclass(frozen=True)
class Results:
    """What one direction computes.

    Parameters
    ----------
    rows : list of relay.Expr
        The hidden state after each element of the sequence, ``(batch, hidden)``.
    state : list of relay.Expr
        The last hidden state, and the last cell state of an ``LSTM``.
    """

    rows: list[relay.Expr]
    state: list[relay.Expr]


def recurrent(node: Node, multiplied: Function = unchanged) -> list[relay.Expr]:
    """All results: every step's hidden state, the last ones, and the last cell states.

    Parameters
    ----------
    node : Node
        Of one of the three operators.
    multiplied : callable
        What inputs, and the hidden states of an ``LSTM``, become before they are multiplied.
    """
    return one_layer(node, lambda inside: _written_out(inside, multiplied))


def _written_out(node: Node, multiplied: Function) -> list[relay.Expr]:
    """The results, of operators that Relay has."""
    batch_first = bool(node.get("layout", 0))
    x = relay.transpose(node.inputs[0], (1, 0, 2)) if batch_first else node.inputs[0]
    length, batch = node.shape()[:2][::-1] if batch_first else node.shape()[:2]
    direction = node.get("direction", "forward")
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    if len(backwards) != node.shape(1)[0]:
        raise node.error(f"direction {direction} with weights of {node.shape(1)[0]}")
    make = STEPS[node.operator]
    if multiplied is not unchanged:
        make = partial(make, multiplied=multiplied)
    entering = multiplied(x)
    found = [
        _direction(node, entering, length, batch, d, back, batch_first, make)
        for d, back in enumerate(backwards)
    ]
    rows = [relay.stack([one.rows[t] for one in found], 0) for t in range(length)]
    results = [relay.stack(rows, 0)]  # (length, directions, batch, hidden)
    states = zip(*(one.state for one in found), strict=True)
    results += [relay.stack(list(state), 0) for state in states]
    if not batch_first:
        return results
    orders = [(2, 0, 1, 3)] + [(1, 0, 2)] * (len(results) - 1)
    return [relay.transpose(x, order) for x, order in zip(results, orders, strict=True)]


def _direction(
    node: Node, x: relay.Expr, length: int, batch: int, d: int, back: bool, batch_first: bool,
    make: Callable[..., Step],
) -> Results:  # fmt: skip
    gates, hidden = GATES[node.operator], node.shape(2)[-1]
    dtype, features = node.dtype(), node.shape(1)[-1]
    weights, recurrence = _part(node.inputs[1], d), _part(node.inputs[2], d)
    bias = node.input(3)
    if bias is None:
        both = tensor(np.zeros(2 * gates * hidden, dtype))
    else:
        both = _part(bias, d)
    ours, theirs = (_columns(both, k * gates * hidden, gates * hidden, 0) for k in (0, 1))
    peepholes = None if node.input(7) is None else _part(node.input(7), d)
    flat = relay.nn.dense(relay.reshape(x, (-1, features)), weights) + ours
    entering = relay.reshape(flat, (length, batch, gates * hidden))
    state = _first_state(node, d, batch, hidden, dtype, batch_first)
    step = make(node, recurrence, theirs, peepholes, hidden, activations_of(node, d))
    zeros = tensor(np.zeros((batch, hidden), dtype))
    rows: list[relay.Expr] = [zeros] * length
    for t in reversed(range(length)) if back else range(length):
        row = relay.squeeze(_columns(entering, t, 1, 0), [0])
        new = step(row, state)
        inside = _inside(node, t, batch)
        rows[t] = new[0] if inside is None else relay.where(inside, new[0], zeros)
        state = [
            a if inside is None else relay.where(inside, a, b)
            for a, b in zip(new, state, strict=True)
        ]
    return Results(rows, state)


def _first_state(
    node: Node, d: int, batch: int, hidden: int, dtype: str, batch_first: bool
) -> list[relay.Expr]:
    states = []
    for k in (5, 6) if node.operator == "LSTM" else (5,):
        given = node.input(k)
        if given is None:
            states.append(tensor(np.zeros((batch, hidden), dtype)))
        else:
            states.append(_part(relay.transpose(given, (1, 0, 2)) if batch_first else given, d))
    return states


def _inside(node: Node, t: int, batch: int) -> relay.Expr | None:
    """Which sequences have an element at a step, ``(batch, 1)``; None if all of them have."""
    lengths = node.input(4)
    if lengths is None:
        return None
    known = node.value(4)
    if known is not None:
        there = t < known.reshape(batch, 1)
        return None if there.all() else tensor(there)
    return relay.less(scalar(t, dtype_of(lengths)), relay.reshape(lengths, (batch, 1)))


def _part(x: relay.Expr, d: int) -> relay.Expr:
    """One direction's of a tensor, without its axis."""
    return relay.squeeze(_columns(x, d, 1, 0), [0])


def _columns(x: relay.Expr, begin: int, count: int, axis: int) -> relay.Expr:
    return relay.strided_slice(x, [begin], [begin + count], axes=[axis])
