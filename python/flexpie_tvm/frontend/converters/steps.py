# SPDX-License-Identifier: Apache-2.0
"""One step of each kind of recurrent network, and the functions that they apply.

Source: the operators ``RNN``, ``GRU`` and ``LSTM`` of the ONNX standard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import relay

from .node import Node, scalar

#: What enters of a step's input, and its state -> the new state.
Step = Callable[[relay.Expr, Sequence[relay.Expr]], list[relay.Expr]]
Function = Callable[[relay.Expr], relay.Expr]
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
#: Function -> its alpha and beta where a model names none; None for one that it has not.
PARAMETERS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0),
    "leakyrelu": (0.01, None),
    "thresholdedrelu": (1.0, None),
    "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, None),
}


def unchanged(x: relay.Expr) -> relay.Expr:
    """The same."""
    return x


def activations_of(node: Node, d: int) -> list[Function]:
    """The functions of one direction, in the standard's order."""
    count = len(DEFAULTS[node.operator])
    names = node.get("activations") or DEFAULTS[node.operator] * (d + 1)
    alphas, betas = list(node.get("activation_alpha", [])), list(node.get("activation_beta", []))
    found = []
    for name in names[: (d + 1) * count]:
        alpha, beta = PARAMETERS.get(name.lower(), (None, None))
        if alpha is not None and alphas:
            alpha = alphas.pop(0)
        if beta is not None and betas:
            beta = betas.pop(0)
        found.append(_function(node, name.lower(), alpha, beta))
    return found[d * count :]


def _function(node: Node, name: str, alpha: float | None, beta: float | None) -> Function:
    dtype = node.dtype()
    a, b = scalar(alpha or 0.0, dtype), scalar(beta or 0.0, dtype)
    one = scalar(1, dtype)
    functions: dict[str, Function] = {
        "relu": relay.nn.relu,
        "tanh": relay.tanh,
        "sigmoid": relay.sigmoid,
        "affine": lambda x: a * x + b,
        "leakyrelu": lambda x: relay.nn.leaky_relu(x, alpha),
        "thresholdedrelu": lambda x: relay.where(relay.greater(x, a), x, relay.zeros_like(x)),
        "scaledtanh": lambda x: a * relay.tanh(b * x),
        "hardsigmoid": lambda x: relay.clip(a * x + b, 0.0, 1.0),
        "elu": lambda x: relay.where(relay.less(x, scalar(0, dtype)), a * (relay.exp(x) - one), x),
        "softsign": lambda x: x / (one + relay.abs(x)),
        "softplus": lambda x: (
            relay.nn.relu(x) + relay.log(one + relay.exp(relay.negative(relay.abs(x))))
        ),
    }
    if name not in functions:
        raise node.error(f"activation {name} is not known")
    return functions[name]


def _bounded(node: Node) -> Function:
    """What a model's ``clip`` does to the input of a function."""
    bound = node.get("clip", 0.0)
    return (lambda x: relay.clip(x, -bound, bound)) if bound else (lambda x: x)


def _pieces(x: relay.Expr, count: int, axis: int) -> list[relay.Expr]:
    found = relay.split(x, count, axis)
    return [found[k] for k in range(count)]


def rnn_step(
    node: Node, recurrence: relay.Expr, bias: relay.Expr, peepholes, hidden: int, functions
) -> Step:
    """A plain recurrent network."""
    bounded, (f,) = _bounded(node), functions

    def step(entering: relay.Expr, state: Sequence[relay.Expr]) -> list[relay.Expr]:
        return [f(bounded(entering + relay.nn.dense(state[0], recurrence) + bias))]

    return step


def lstm_step(
    node: Node, recurrence: relay.Expr, bias: relay.Expr, peepholes, hidden: int, functions,
    multiplied: Function = unchanged,
) -> Step:  # fmt: skip
    """A long short-term memory: gates for input, output, forgetting, and the cell's own.

    ``multiplied`` is what a hidden state becomes before it is multiplied.
    """
    bounded, (f, g, h) = _bounded(node), functions
    one, coupled = scalar(1, node.dtype()), bool(node.get("input_forget", 0))
    looks = _pieces(peepholes, 3, 0) if peepholes is not None else None

    def step(entering: relay.Expr, state: Sequence[relay.Expr]) -> list[relay.Expr]:
        before, cell = state
        gates = entering + relay.nn.dense(multiplied(before), recurrence) + bias
        i, o, forget, own = _pieces(gates, 4, 1)
        if looks is not None:
            i, forget = i + looks[0] * cell, forget + looks[2] * cell
        i = f(bounded(i))
        forget = one - i if coupled else f(bounded(forget))
        cell = forget * cell + i * g(bounded(own))
        if looks is not None:
            o = o + looks[1] * cell
        return [f(bounded(o)) * h(cell), cell]

    return step


def gru_step(
    node: Node, recurrence: relay.Expr, bias: relay.Expr, peepholes, hidden: int, functions
) -> Step:
    """A gated recurrent unit: gates for update and reset, and the hidden state's own."""
    bounded, (f, g), one = _bounded(node), functions, scalar(1, node.dtype())
    late = bool(node.get("linear_before_reset", 0))
    first = relay.strided_slice(recurrence, [0], [2 * hidden], axes=[0])
    last = relay.strided_slice(recurrence, [2 * hidden], [3 * hidden], axes=[0])
    gate_bias = relay.strided_slice(bias, [0], [2 * hidden], axes=[0])
    own_bias = relay.strided_slice(bias, [2 * hidden], [3 * hidden], axes=[0])

    def step(entering: relay.Expr, state: Sequence[relay.Expr]) -> list[relay.Expr]:
        (before,) = state
        z, r, own = _pieces(entering, 3, 1)
        gates = relay.nn.dense(before, first) + gate_bias
        for_z, for_r = _pieces(gates, 2, 1)
        z, r = f(bounded(z + for_z)), f(bounded(r + for_r))
        if late:
            own = own + r * (relay.nn.dense(before, last) + own_bias)
        else:
            own = own + relay.nn.dense(r * before, last) + own_bias
        return [(one - z) * g(bounded(own)) + z * before]

    return step
