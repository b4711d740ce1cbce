# SPDX-License-Identifier: Apache-2.0
"""combine "copy": what a board gets is what numpy slicing of the whole tensor gives."""

import numpy as np
import pytest
import tvm

from .boards import Cluster, TensorExchange, create_board, raise_any, shape_of, slices, table, token

DTYPES = ["float32", "float16", "int8", "uint8", "int32", "int64", "float64", "bool"]


def random_array(rng, shape, dtype):
    bits = rng.integers(0, 256, size=int(np.prod(shape)) * np.dtype(dtype).itemsize, dtype="uint8")
    if dtype == "bool":
        return (bits > 127).reshape(shape)
    return np.nan_to_num(bits.view(dtype).reshape(shape), nan=1.5)


def random_box(rng, shape):
    starts = [int(rng.integers(0, extent)) for extent in shape]
    return [
        [start, int(rng.integers(start + 1, n + 1))] for start, n in zip(starts, shape, strict=True)
    ]


def random_split(rng, shape, boards):
    """Boxes of all boards, cutting the tensor along one axis or two; some may get nothing."""
    axes = list(rng.permutation(len(shape))[: 2 if boards == 4 and len(shape) > 1 else 1])
    counts = [2, 2] if len(axes) == 2 else [boards]
    cuts = []
    for axis, count in zip(axes, counts, strict=True):
        inner = sorted(int(c) for c in rng.integers(0, shape[axis] + 1, size=count - 1))
        cuts.append([0, *inner, shape[axis]])
    boxes = []
    for board in range(boards):
        box = [[0, extent] for extent in shape]
        for axis, cut, at in zip(axes, cuts, np.unravel_index(board, counts), strict=True):
            box[axis] = [cut[at], cut[at + 1]]
        boxes.append(box if all(start < stop for start, stop in box) else None)
    return boxes


def random_exchange(rng, boards):
    rank = int(rng.integers(1, 7))
    limit = {1: 5000, 2: 300, 3: 40, 4: 20, 5: 9, 6: 6}[rank]
    shape = [int(n) for n in rng.integers(1, limit + 1, size=rank)]
    outs = [random_box(rng, shape) if rng.random() < 0.85 else None for _ in range(boards)]
    exchange = TensorExchange(
        random_split(rng, shape, boards), outs, DTYPES[rng.integers(len(DTYPES))]
    )
    return exchange, random_array(rng, shape, exchange.dtype)


def check_exchanges(cluster, wholes):
    """Runs all exchanges in order on all boards and compares with slices of the whole tensors."""

    def all_exchanges(rank):
        got = []
        for number, (exchange, whole) in enumerate(zip(cluster.exchanges, wholes, strict=True)):
            box = exchange.ins[rank]
            got.append(cluster.exchange(rank, number, None if box is None else whole[slices(box)]))
        return got

    for rank, got in enumerate(raise_any(cluster.on_boards(all_exchanges))):
        for exchange, whole, y in zip(cluster.exchanges, wholes, got, strict=True):
            if exchange.outs[rank] is None:
                assert y is None
            else:
                np.testing.assert_array_equal(y, whole[slices(exchange.outs[rank])])


@pytest.mark.parametrize("seed", range(6))
def test_random_boxes(transport, seed):
    rng = np.random.default_rng(seed)
    boards = [1, 2, 3, 4, 4, 5][seed]
    pairs = [random_exchange(rng, boards) for _ in range(40)]
    with Cluster(transport, [exchange for exchange, _ in pairs], boards) as cluster:
        check_exchanges(cluster, [whole for _, whole in pairs])


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((1, 600, 4, 160), 2),  # 600 runs of 640 bytes a message: more than one window of iovecs
        ((1, 8, 16, 17, 4), 3),  # 5-D NCHWc cut by width: short runs, packed
        ((1, 64, 56, 56), 1),  # channels: one run
        ((3000, 2), 1),  # one element a run
        ((1100, 2, 128), 1),  # 1100 runs of exactly 512 bytes
    ],
)
def test_halves_become_wholes(transport, shape, axis):
    rng = np.random.default_rng(7)
    whole = rng.standard_normal(shape).astype("float32")
    full = [[0, extent] for extent in shape]
    halves = [[list(pair) for pair in full] for _ in range(2)]
    halves[0][axis][1] = halves[1][axis][0] = shape[axis] // 2
    with Cluster(transport, [TensorExchange(halves, [full, full])], 2) as cluster:
        check_exchanges(cluster, [whole])


def test_scalar_goes_from_one_board_to_the_other(transport):
    with Cluster(transport, [TensorExchange([[], None], [None, []])], 2) as cluster:
        check_exchanges(cluster, [np.float32(3.25).reshape(())])


def test_received_boxes_overwrite_the_local_part(transport):
    """Both boards hold row 1; the table lets board 0 take it from board 1."""
    exchange = TensorExchange([[[0, 2], [0, 4]], [[1, 3], [0, 4]]], [[[0, 3], [0, 4]], None])
    with Cluster(transport, [exchange], 2) as cluster:
        xs = [np.full((2, 4), 1, "float32"), np.full((2, 4), 2, "float32")]
        y, _ = raise_any(cluster.on_boards(lambda rank: cluster.exchange(rank, 0, xs[rank])))
        np.testing.assert_array_equal(y, np.repeat([[1], [2], [2]], 4, axis=1))


def test_byte_offset_is_honoured_and_token_out_is_zero():
    box_in, box_out = [[0, 3], [0, 5]], [[1, 3], [1, 4]]
    board = create_board(0, 1, table(0, 1, [TensorExchange([box_in], [box_out])]))
    memory = tvm.nd.array(np.arange(40, dtype="float32"))
    x = memory._create_view(shape_of(box_in), "float32", 4 * 7)
    target = tvm.nd.array(np.full(20, -1, "float32"))
    y = target._create_view(shape_of(box_out), "float32", 4 * 3)
    token_out = tvm.nd.array(np.array([5], "int32"))
    tvm.get_global_func("flexpie.exchange")(0, 0, token(), token_out, x, y)
    expected = np.full(20, -1, "float32")
    expected[3:9] = (np.arange(15, dtype="float32") + 7).reshape(3, 5)[1:3, 1:4].ravel()
    np.testing.assert_array_equal(target.numpy(), expected)
    assert token_out.numpy()[0] == 0
    board["close"]()
