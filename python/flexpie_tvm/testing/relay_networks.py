# SPDX-License-Identifier: Apache-2.0
"""Networks built in Relay: those of ``tvm.relay.testing`` and a BERT encoder.

Their batch norms and biases are constants (ones and zeros), which hides mistakes; here all
weights are random, scaled so that activations neither vanish nor explode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod, sqrt

import numpy as np
import tvm
from tvm import relay, testing  # noqa: F401 - tvm.testing must be there for relay.testing
from tvm.relay.build_module import bind_params_by_name

Workload = tuple[tvm.IRModule, Mapping[str, tvm.nd.NDArray]]


def _resnet(layers: int) -> Callable[[int], Workload]:
    return lambda size: relay.testing.resnet.get_workload(
        num_layers=layers, image_shape=(3, size, size)
    )


# name -> the usual image size, and what makes the network for a size
WORKLOADS: dict[str, tuple[int, Callable[[int], Workload]]] = {
    "mobilenet": (
        224,
        lambda size: relay.testing.mobilenet.get_workload(image_shape=(3, size, size)),
    ),
    "resnet18": (224, _resnet(18)),
    "resnet101": (224, _resnet(101)),
    "inception_v3": (
        299,
        lambda size: relay.testing.inception_v3.get_workload(image_shape=(3, size, size)),
    ),
}


def relay_network(name: str, size: int | None = None, seed: int = 0) -> tvm.IRModule:
    """A network of ``tvm.relay.testing`` with random weights, up to its scores (no softmax).

    Parameters
    ----------
    name : str
        One of ``WORKLOADS``.
    size : int, optional
        Rows and columns of the image; the network's usual ones by default.
    seed : int
        Of the weights.
    """
    usual, make = WORKLOADS[name]
    mod, params = make(size or usual)
    rng = np.random.default_rng(seed)
    weights = {key: _random(key, value.shape, rng) for key, value in params.items()}
    main = bind_params_by_name(mod["main"], weights)
    body = main.body
    if body.op.name == "nn.softmax":  # of random scores it is all but one zeros
        body = body.args[0]
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function(main.params, body)))


def _random(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> tvm.nd.NDArray:
    """A weight that keeps the variance of what flows through it."""
    if name.endswith(("gamma", "_var")):
        value = rng.uniform(0.5, 1.5, shape)
    elif len(shape) > 1:
        value = rng.normal(0, sqrt(2 / prod(shape[1:])), shape)
    else:
        value = rng.normal(0, 0.1, shape)
    return tvm.nd.array(value.astype("float32"))


def bert_encoder(
    layers: int = 12, hidden: int = 768, heads: int = 12, tokens: int = 128
) -> tvm.IRModule:
    """A BERT encoder with random weights, over embedded tokens ``(tokens, hidden)``."""
    rng = np.random.default_rng(0)

    def weight(*shape):
        return relay.const(rng.normal(0, 0.02, shape).astype("float32"))

    def dense(x, units, depth):
        return relay.nn.bias_add(relay.nn.dense(x, weight(units, depth)), weight(units))

    def norm(x):
        return relay.nn.layer_norm(x, weight(hidden), weight(hidden))

    def split_heads(x):
        return relay.transpose(relay.reshape(x, (tokens, heads, hidden // heads)), (1, 0, 2))

    def gelu(x):
        half = relay.const(np.float32(0.5))
        root = relay.const(np.float32(2**-0.5))
        one = relay.const(np.float32(1))
        return x * half * (relay.erf(x * root) + one)

    x = data = relay.var("embedded", shape=(tokens, hidden))
    scale = relay.const(np.float32((hidden // heads) ** -0.5))
    for _ in range(layers):
        query, key, value = (split_heads(dense(x, hidden, hidden)) for _ in range(3))
        scores = relay.nn.batch_matmul(query, key, transpose_a=False, transpose_b=True)
        mixed = relay.nn.batch_matmul(
            relay.nn.softmax(scores * scale), value, transpose_a=False, transpose_b=False
        )
        joined = relay.reshape(relay.transpose(mixed, (1, 0, 2)), (tokens, hidden))
        x = norm(x + dense(joined, hidden, hidden))
        x = norm(x + dense(gelu(dense(x, 4 * hidden, hidden)), hidden, 4 * hidden))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([data], x)))
