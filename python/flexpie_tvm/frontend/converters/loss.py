# SPDX-License-Identifier: Apache-2.0
"""``NegativeLogLikelihoodLoss`` and ``SoftmaxCrossEntropyLoss``, labels known or not."""

from __future__ import annotations

from tvm import relay

from .node import Node, scalar


def negative_log_likelihood(node: Node) -> relay.Expr:
    """Losses of probabilities whose logarithms are given, ``(N, C, ...)`` and ``(N, ...)``."""
    return _reduced(node, node.inputs[0])


def softmax_cross_entropy(node: Node) -> list[relay.Expr]:
    """Losses of scores; the logarithms of their probabilities as well, where they are read."""
    logarithms = relay.nn.log_softmax(node.inputs[0], axis=1)
    loss = _reduced(node, logarithms)
    return [loss, logarithms] if node.asks(1) else [loss]


def _reduced(node: Node, logarithms: relay.Expr) -> relay.Expr:
    """Each element's loss by the weight of its label, their sum, or their weighted mean."""
    labels, weights, dtype = node.inputs[1], node.input(2), node.dtype()
    ignored, reduction = node.get("ignore_index"), node.get("reduction", "mean")
    kept = None
    if ignored is not None:
        here = relay.equal(labels, scalar(ignored, node.dtype(1)))
        kept = relay.cast(relay.logical_not(here), dtype)
        labels = relay.where(here, relay.zeros_like(labels), labels)
    picked = relay.gather(logarithms, 1, relay.expand_dims(labels, 1))
    share = None if weights is None else relay.take(weights, labels, axis=0)
    if kept is not None:
        share = kept if share is None else share * kept
    loss = relay.negative(relay.squeeze(picked, [1]))
    loss = loss if share is None else loss * share
    if reduction == "none":
        return loss
    if reduction == "sum":
        return relay.sum(loss)
    return relay.mean(loss) if share is None else relay.sum(loss) / relay.sum(share)
