# SPDX-License-Identifier: Apache-2.0
"""Ring and server: messages go over the links that there are, and boards between pass them on."""

import json
import random
import time
from itertools import pairwise

import numpy as np
import pytest

from .boards import (
    TOKEN,
    Cluster,
    TensorExchange,
    create_board,
    flexpie_error,
    raise_any,
    slices,
    table,
)
from .raw_peer import Async, dial, hello, is_closed, read
from .test_combine import fold, random_parts

MEBIBYTE = 2**20
LONG_MS = 60000

both_ways = pytest.mark.parametrize("topology", ["ring", "ps"])


def random_exchange(rng, boards, width):
    """Boards own pieces of any size, also none, and need any rows, or none."""
    rows = rng.randint(boards, 3 * boards)
    cuts = [0, *sorted(rng.choices(range(rows + 1), k=boards - 1)), rows]
    ins = [[[a, b], [0, width]] if a < b else None for a, b in pairwise(cuts)]
    rng.shuffle(ins)
    outs = []
    for _ in range(boards):
        a, b = sorted(rng.sample(range(rows + 1), 2))
        outs.append(None if rng.random() < 0.2 else [[a, b], [0, width]])
    return TensorExchange(ins, outs), (rows, width)


@both_ways
@pytest.mark.parametrize("boards", range(2, 8))
def test_answers_are_those_of_a_mesh(transport, topology, boards):
    rng = random.Random(boards)
    made = [random_exchange(rng, boards, rng.choice([1, 7, 300])) for _ in range(8)]
    values = np.random.default_rng(boards)
    wholes = [values.standard_normal(shape).astype("float32") for _, shape in made]
    exchanges = [e for e, _ in made]
    with Cluster(transport, exchanges, boards, topology=topology) as cluster:

        def frame(rank):
            got = []
            for number, (e, whole) in enumerate(zip(exchanges, wholes, strict=True)):
                box = e.ins[rank]
                x = None if box is None else whole[slices(box)]
                got.append(cluster.exchange(rank, number, x))
            return got

        for rank, got in enumerate(raise_any(cluster.on_boards(frame))):
            for y, e, whole in zip(got, exchanges, wholes, strict=True):
                if e.outs[rank] is not None:
                    np.testing.assert_array_equal(y, whole[slices(e.outs[rank])])


@pytest.mark.parametrize(
    ("topology", "boards", "mebibytes"), [("ring", 4, 32), ("ring", 7, 8), ("ps", 5, 8)]
)
def test_far_more_than_a_link_buffers_from_and_to_every_board(
    transport, topology, boards, mebibytes
):
    """Everybody sends to the board two ranks on; on the ring of 4 everybody also passes on."""
    size = mebibytes * MEBIBYTE
    ins = [[[rank, rank + 1], [0, size]] for rank in range(boards)]
    outs = [ins[(rank - 2) % boards] for rank in range(boards)]
    rows = np.frombuffer(random.Random(boards).randbytes(boards * size), "uint8")
    rows = rows.reshape(boards, size)
    exchange = TensorExchange(ins, outs, "uint8")
    with Cluster(transport, [exchange], boards, topology=topology) as cluster:
        ys = raise_any(cluster.on_boards(lambda r: cluster.exchange(r, 0, rows[r : r + 1])))
        for rank, y in enumerate(ys):
            np.testing.assert_array_equal(y[0], rows[(rank - 2) % boards])
        forwarded = [cluster.stats(r)["exchanges"][0]["bytes_forwarded"] for r in range(boards)]
    if topology == "ring":
        assert forwarded == [size] * boards
    else:
        assert forwarded == [(boards - 2) * size] + [0] * (boards - 1)


def test_a_board_without_a_part_of_its_own_passes_on(transport):
    """0 sends to 2 by way of 1; 3 is not asked."""
    x = np.arange(1000, dtype="float32")
    box = [[0, 1000]]
    exchange = TensorExchange([box, None, None, None], [None, None, box, None])
    with Cluster(transport, [exchange], 4, topology="ring") as cluster:
        ys = raise_any(
            cluster.on_boards(
                lambda r: cluster.exchange(r, 0, x if r == 0 else None) if r != 3 else None
            )
        )
        np.testing.assert_array_equal(ys[2], x)
        stats = cluster.stats(1)["exchanges"][0]
        keys = ["bytes_sent", "bytes_received", "bytes_forwarded", "local_bytes"]
        assert [stats[k] for k in keys] == [0, 0, 4000, 0]


@both_ways
@pytest.mark.parametrize("combine", ["sum", "max"])
def test_folding_keeps_the_order_of_ranks(transport, topology, combine):
    full = [[0, 6], [0, 50]]
    ins, outs = [full] * 5, [full, [[0, 3], [0, 50]], None, [[3, 6], [10, 50]], full]
    xs = random_parts(np.random.default_rng(12), ins, "float32")
    exchange = TensorExchange(ins, outs, "float32", combine)
    with Cluster(transport, [exchange], 5, topology=topology) as cluster:
        for late in range(5):

            def one(rank, late=late):
                time.sleep(0.02 if rank == late else 0)
                return cluster.exchange(rank, 0, xs[rank])

            for rank, y in enumerate(raise_any(cluster.on_boards(one))):
                if outs[rank] is not None:
                    assert y.tobytes() == fold(combine, ins, outs[rank], xs).tobytes()


def across():
    """0 and 2 of a ring of 4 want each other's rows: 0 to 2 by way of 1, 2 to 0 by way of 3."""
    rows = [[[0, 1], [0, 1000]], None, [[1, 2], [0, 1000]], None]
    return TensorExchange(rows, [rows[2], None, rows[0], None], name="t", layer="l")


def complaint(outcome):
    content, text = flexpie_error(outcome)
    return (content["kind"], content["board"], content["peer"]), text


def test_a_relay_that_dies_is_named_by_both_its_neighbours(transport):
    x = np.zeros((1, 1000), "float32")
    with Cluster(transport, [across()], 4, deadline_ms=LONG_MS, topology="ring") as cluster:

        def frame(rank):
            if rank == 1:
                time.sleep(0.05)
                return cluster.boards[1]["close"]()
            return cluster.exchange(rank, 0, x if rank in (0, 2) else None)

        outcomes = cluster.on_boards(frame)
        (lost, text) = complaint(outcomes[2])
        assert lost == ("lost_board", 2, 1)
        assert "from it, which passes it on for board 0" in text


def test_a_relay_that_never_takes_part_is_named_within_the_deadline(transport):
    x = np.zeros((1, 1000), "float32")
    with Cluster(transport, [across()], 4, deadline_ms=400, topology="ring") as cluster:
        begin = time.monotonic()
        outcomes = cluster.on_boards(
            lambda r: None if r == 1 else cluster.exchange(r, 0, x if r in (0, 2) else None)
        )
        assert complaint(outcomes[2])[0] == ("deadline", 2, 1)
        assert time.monotonic() - begin < 5


def test_of_those_that_wait_for_a_silent_board_its_neighbour_speaks_first(transport):
    x = np.zeros((1, 1000), "float32")
    with Cluster(transport, [across()], 4, deadline_ms=800, topology="ring") as cluster:
        outcomes = cluster.on_boards(
            lambda r: None if r == 2 else cluster.exchange(r, 0, x if r == 0 else None)
        )
        assert complaint(outcomes[3])[0] == ("deadline", 3, 2)
        assert complaint(outcomes[0])[0] == ("lost_board", 0, 3)


def test_a_board_has_links_with_its_neighbours_only():
    """Board 0 of a ring of 4 takes 1 and 3, not 2, and needs no address of 2."""
    full = [[0, 4]]
    exchange = TensorExchange([[[r, r + 1]] for r in range(4)], [full] * 4)
    board = create_board(0, 4, table(0, 4, [exchange], "ring"), deadline_ms=20000)
    port = board["listen"]("127.0.0.1", 0)
    peers = json.dumps([{"rank": r, "host": "127.0.0.1", "port": 1} for r in (1, 3)])
    connecting = Async(board["connect"], peers, TOKEN)
    with dial(port) as across:
        across.sendall(hello(2, 0))
        assert is_closed(across)
    with dial(port) as left, dial(port) as right:
        for sock, rank in ((left, 3), (right, 1)):
            sock.sendall(hello(rank, 0))
            assert read(sock, 32) == hello(0, rank)
        connecting.join()
    board["close"]()
