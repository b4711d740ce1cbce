# SPDX-License-Identifier: Apache-2.0
"""Uneven splits, adjusted to the predicted cost of their tiles."""

import pytest
from plan_graphs import chain

from flexpie_tvm.cost import Table
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.plan.search.balance import with_balanced
from flexpie_tvm.plan.search.candidates import candidates_for
from flexpie_tvm.plan.search.ledger import Ledger


@pytest.mark.parametrize("speeds", [(1, 3), (2, 1, 5), (1, 3, 2, 5), (1, 1, 1, 4)])
def test_balanced_splits_are_never_slower_and_grids_are_balanced_too(speeds):
    """Fast boards are faster than their speeds say: a split by speed leaves them waiting."""
    graph, cluster = chain(2, 16, 40), ClusterSpec(len(speeds), speeds=speeds)
    cost = Table(lambda t: t.flops / t.speed**2, lambda t: 0.0, monotone=True)
    ledger = Ledger(graph, cluster, cost)
    offered = candidates_for(graph, cluster)
    more = with_balanced(ledger, offered)

    def slowest(index, tensor, candidate):
        owned = ledger.owned(tensor, candidate.split)  # raises if it does not cover the tensor
        return ledger.made(index, [(owned,)])[0].times.max()

    improved = set()
    for index, layer in enumerate(graph.layers):
        (tensor,) = layer.outputs
        added = [c for c in more[tensor] if c not in offered[tensor]]
        for candidate in added:
            before = [
                slowest(index, tensor, c) for c in offered[tensor]
                if c.scheme == candidate.scheme and c.split.ranks == candidate.split.ranks
            ]
            after = slowest(index, tensor, candidate)
            assert after <= max(before)
            if after < min(before):
                improved.add(candidate.scheme.split(":")[0])
    assert "InH" in improved
    assert len(speeds) < 4 or "2D-grid" in improved
