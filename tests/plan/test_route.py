# SPDX-License-Identifier: Apache-2.0
"""Ways over links: the shortest there are, and every board on the way knows its part."""

from itertools import pairwise

import pytest

from flexpie_tvm.graph import Region
from flexpie_tvm.plan import TOPOLOGIES, ClusterSpec, Exchange, Message, Routes, routes_of

SIZES = range(2, 9)


def links(topology, boards, server=0):
    """All links of a topology, as unordered pairs."""
    pairs = [(a, b) for a in range(boards) for b in range(a)]
    if topology == "ring":
        return {frozenset((a, (a + 1) % boards)) for a in range(boards)}
    if topology == "ps":
        return {frozenset(p) for p in pairs if server in p}
    return {frozenset(p) for p in pairs}


def distance(source, target, edges):
    """Links of a shortest way, by breadth-first search."""
    seen, ring, steps = {source}, {source}, 0
    while target not in seen:
        ring = {b for e in edges for a in ring if a in e for b in e} - seen
        seen |= ring
        steps += 1
    return steps


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("boards", SIZES)
def test_paths_are_shortest_ways_over_links(topology, boards):
    for server in (0, boards - 1):
        routes, edges = Routes(topology, boards, server), links(topology, boards, server)
        for source in range(boards):
            for target in set(range(boards)) - {source}:
                path = routes.path(source, target)
                assert (path[0], path[-1]) == (source, target)
                assert all(frozenset(step) in edges for step in pairwise(path))
                assert len(path) - 1 == distance(source, target, edges)


def test_a_ring_of_four_goes_on_to_the_board_right_across():
    routes = Routes("ring", 4)
    assert routes.path(0, 2) == (0, 1, 2)
    assert routes.path(2, 0) == (2, 3, 0)
    assert routes.path(0, 3) == (0, 3)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("boards", SIZES)
def test_relays_are_the_boards_between_the_ends(topology, boards):
    box = Region(((0, 1),))
    everything = [(a, b) for a in range(boards) for b in range(boards) if a != b]
    for pairs in ([p] for p in everything), [everything]:
        for chosen in pairs:
            exchange = Exchange(0, 0, tuple(Message(a, b, box) for a, b in chosen))
            routes = routes_of(ClusterSpec(boards, topology=topology))
            seen = set()
            for board in range(boards):
                relays = routes.relays(exchange, board)
                for relay in relays:
                    path = routes.path(relay.message.source, relay.message.target)
                    where = path[relay.hops - 1 : relay.hops + 2]
                    assert where == (relay.before, board, relay.after)
                    seen.add((board, relay.message))
                own = exchange.sends(board) or exchange.receives(board)
                assert routes.meets(exchange, board) == bool(own or relays)
            assert seen == {
                (board, m)
                for m in exchange.messages
                for board in routes.path(m.source, m.target)[1:-1]
            }
