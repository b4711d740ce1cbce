# SPDX-License-Identifier: Apache-2.0
"""``TfIdfVectorizer`` of numbers: how often known sequences of words occur."""

from __future__ import annotations

import numpy as np
from tvm import relay

from .node import Node, tensor


def tf_idf(node: Node) -> relay.Expr:
    """Counts of each n-gram, at any distance of words up to ``max_skip_count``, weighted."""
    if node.get("pool_strings"):
        raise node.error("words must be numbers, not texts")
    shape, mode = node.shape(), node.get("mode")
    *batch, length = shape if shape else (1,)
    words = relay.reshape(node.inputs[0], (-1, length))
    indexes, weights = node.get("ngram_indexes"), node.get("weights")
    width = max(indexes) + 1
    counts, columns, first = [], [], 0
    for size, grams in _pools(node):
        chosen = indexes[first : first + len(grams)]
        first += len(grams)
        if not node.get("min_gram_length") <= size <= node.get("max_gram_length"):
            continue
        found = _count(words, grams, length, node.get("max_skip_count") if size > 1 else 0)
        if found is not None:
            counts.append(found)
            columns += chosen
    place = np.zeros((width, len(columns)), "float32")
    place[columns, np.arange(len(columns))] = 1
    if not counts:
        rows = int(np.prod(batch, dtype=int))
        result = relay.zeros((rows, width), "float32")
    else:
        result = relay.nn.dense(relay.concatenate(counts, 1), tensor(place))
    if mode == "IDF":
        result = relay.cast(relay.greater(result, relay.zeros_like(result)), "float32")
    if mode in ("IDF", "TFIDF") and weights:
        of_column = np.zeros(width, "float32")
        of_column[indexes] = weights  # which are in the order of the n-grams
        result = result * tensor(of_column)
    return relay.reshape(result, (*batch, width))


def _pools(node: Node) -> list[tuple[int, np.ndarray]]:
    """Size and n-grams of that size, ``(grams, size)``, in the order of their indexes."""
    starts, words = node.get("ngram_counts"), np.array(node.get("pool_int64s"), "int64")
    ends = [*starts[1:], len(words)]
    return [
        (size, words[a:b].reshape(-1, size))
        for size, (a, b) in enumerate(zip(starts, ends, strict=True), 1)
        if b > a
    ]


def _count(words: relay.Expr, grams: np.ndarray, length: int, skips: int) -> relay.Expr | None:
    """How often each n-gram occurs in each row, ``(rows, grams)``; None for one too long."""
    size, total = grams.shape[1], None
    for step in range(1, skips + 2):
        places = length - (size - 1) * step
        if places <= 0:
            break
        same = None
        for j in range(size):
            window = relay.strided_slice(words, [j * step], [j * step + places], axes=[1])
            window = relay.cast(relay.expand_dims(window, 2), "int64")
            one = relay.equal(window, tensor(grams[:, j].reshape(1, 1, -1)))
            same = one if same is None else relay.logical_and(same, one)
        found = relay.sum(relay.cast(same, "float32"), 1)
        total = found if total is None else total + found
    return total
