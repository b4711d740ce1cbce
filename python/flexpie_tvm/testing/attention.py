# SPDX-License-Identifier: Apache-2.0
"""Blocks of transformers, as ONNX models come out of Relay's importer.

Each takes tokens ``1xTxF`` and gives tokens.
"""

from __future__ import annotations

from tvm import relay


def dense(make, x, out: int):
    """Matrix product over the last axis, with bias."""
    _, tokens, features = make.shape(x)
    y = relay.reshape(x, (tokens, features))
    y = relay.nn.dense(y, make.weight(out, features, fan=features), units=out)
    return relay.add(relay.reshape(y, (1, tokens, out)), make.weight(out))


def attention(make, x):
    """Multi-head self-attention with the residual."""
    _, tokens, features = make.shape(x)
    heads, depth = make.choices.integer(1, 4), make.channels(4)
    parts = []
    for axes in ((0, 2, 1, 3), (0, 2, 1, 3), (0, 2, 3, 1)):
        y = relay.reshape(dense(make, x, heads * depth), (1, tokens, heads, depth))
        y = relay.transpose(y, axes)
        parts.append(relay.reshape(y, (heads, *make.shape(y)[2:])))
    query, key, value = parts[0], parts[2], parts[1]
    scores = relay.nn.batch_matmul(query, key, transpose_b=False)
    scores = relay.reshape(scores, (1, heads, tokens, tokens))
    weights = relay.nn.softmax(relay.divide(scores, relay.const(1.5)), axis=-1)
    weights = relay.reshape(weights, (heads, tokens, tokens))
    y = relay.nn.batch_matmul(weights, value, transpose_b=False)
    y = relay.transpose(relay.reshape(y, (1, heads, tokens, depth)), (0, 2, 1, 3))
    y = relay.reshape(y, (1, tokens, heads * depth))
    return relay.add(dense(make, y, features), x)


def feed_forward(make, x):
    """Two dense layers with GELU between them, and the residual."""
    features = make.shape(x)[2]
    y = dense(make, x, make.channels(8))
    erf = relay.erf(relay.multiply(y, relay.const(0.70710677)))
    y = relay.multiply(relay.multiply(y, relay.const(0.5)), relay.add(erf, relay.const(1.0)))
    return relay.add(dense(make, y, features), x)


def layer_norm(make, x):
    """Layer norm over the last axis, operator by operator."""
    features = make.shape(x)[2]
    centred = relay.subtract(x, relay.mean(x, -1, keepdims=True))
    variance = relay.mean(relay.power(centred, relay.const(2.0)), -1, keepdims=True)
    y = relay.divide(centred, relay.sqrt(relay.add(variance, relay.const(1e-5))))
    return relay.add(relay.multiply(y, make.weight(features)), make.weight(features))
