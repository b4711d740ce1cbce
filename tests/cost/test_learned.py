# SPDX-License-Identifier: Apache-2.0
"""Learned costs: never less for more in equal steps, growing beyond the training, asked once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexpie_tvm.cost import Analytic, Learned, Links, Transfer
from flexpie_tvm.cost.corrections import Correction, Corrections, intensities, sort_of
from flexpie_tvm.cost.features import TILE_LAYOUT, tile_key, tile_rows
from flexpie_tvm.cost.memo import Memo

from .machine import NETWORK, random_tile, random_transfer, tile_ms, traces, window_tile

#: Wider than the training (rows and columns to 60, channels to 256, kernels 1 to 5).
EXTENTS = st.integers(1, 200)
BLOCKS = st.integers(1, 40)
FAMILIES = st.sampled_from(["conv", "pointwise", "depthwise", "pool", "grouped"])
ROUNDING = 1 + 1e-12  # sums in another order
BYTES = st.integers(0, 1 << 23)


def one_message(nbytes, network):
    """So many bytes from the first of four boards to the second."""
    matrix = np.zeros((4, 4), dtype=int)
    matrix[0, 1] = nbytes
    return Transfer("exchange", matrix, np.sign(matrix), network)


GROWTH = st.tuples(*[st.integers(0, 40)] * 4)


def small_and_grown(family, rows, cols, inputs, outputs, more, stride):
    """A tile, and one of more rows, columns and channels."""
    sizes = (rows, cols, 16 * inputs, 16 * outputs)
    grown = (rows + more[0], cols + more[1], 16 * (inputs + more[2]), 16 * (outputs + more[3]))
    kernel = 1 if family == "pointwise" else 3
    return [window_tile(family, *s, kernel=kernel, stride=stride) for s in (sizes, grown)]


@given(FAMILIES, EXTENTS, EXTENTS, BLOCKS, BLOCKS, GROWTH, st.integers(1, 2))
def test_more_work_in_the_same_steps_never_costs_less(
    learned, family, rows, cols, inputs, outputs, more, stride
):
    """What grows is that of the larger tile, what else a kernel's speed depends on is not."""
    tiles = small_and_grown(family, rows, cols, inputs, outputs, more, stride)
    if family not in learned.tiles:
        return
    asked = tile_rows([tile_key(tile) for tile in tiles], learned.unit)
    columns = asked.columns.copy()
    columns[1, TILE_LAYOUT.growing :] = columns[0, TILE_LAYOUT.growing :]
    a, b = learned.tiles[family].predict(replace(asked, columns=columns))
    assert 0 < a <= b * ROUNDING


@given(FAMILIES, EXTENTS, EXTENTS, BLOCKS, BLOCKS, GROWTH, st.integers(1, 2))
def test_a_tile_of_a_larger_region_costs_hardly_less(
    learned, family, rows, cols, inputs, outputs, more, stride
):
    """The made-up board knows no steps; 2 % of its times are chance, which trees may learn."""
    a, b = learned.compute(small_and_grown(family, rows, cols, inputs, outputs, more, stride))
    assert 0 < a <= b * 1.1


@given(st.integers(0, 10**6), st.sampled_from(
    ["flops", "bytes_read", "bytes_weights", "bytes_written", "ops"]),
    st.integers(1, 10**9))
def test_more_of_any_quantity_never_costs_less(learned, seed, field, more):
    tile = random_tile(np.random.default_rng(seed))
    a, b = learned.compute([tile, replace(tile, **{field: getattr(tile, field) + more})])
    assert a <= b * ROUNDING


@given(
    st.sampled_from([("exchange", (4, 4)), ("scatter", (1, 4)), ("gather", (4, 1))]),
    st.lists(BYTES, min_size=16, max_size=16),
    st.lists(BYTES, min_size=16, max_size=16),
    st.sampled_from(["mesh", "ring", "ps", "shared"]),
    st.sampled_from([1e8, 1e9, 1e10]),
)
def test_a_transfer_that_contains_another_never_costs_less(
    learned, shape, small, more, topology, bandwidth
):
    kind, shape = shape
    count = int(np.prod(shape))
    small = np.array(small[:count]).reshape(shape)
    large = small + np.array(more[:count]).reshape(shape)
    for matrix in (small, large):
        if kind == "exchange":
            np.fill_diagonal(matrix, 0)
    network = Links(topology, (bandwidth,) * 4, (1e-4,) * 4, 0, bandwidth, 1e-4)
    a, b = learned.exchange([Transfer(kind, m, m, network) for m in (small, large)])
    assert a <= b * ROUNDING


def test_predictions_grow_beyond_the_training(learned):
    """A tile 4, 16 and 64 times as large as any in training is not flat."""
    rows = [60, 240, 960, 3840]
    times = learned.compute([window_tile("conv", r, 56, 256, 256) for r in rows])
    assert (times[1:] > 3 * times[:-1]).all()
    truth = tile_ms(window_tile("conv", rows[-1], 56, 256, 256))
    assert truth / 2 < times[-1] < truth * 2
    sizes = np.array([1 << 21, 1 << 24, 1 << 27])
    times = learned.exchange([one_message(n, NETWORK) for n in sizes])
    assert (times[1:] > 4 * times[:-1]).all()


def test_no_faster_than_the_best_rate_that_was_measured(learned):
    rng = np.random.default_rng(0)
    tiles = [t for t in (random_tile(rng) for _ in range(300)) if t.conv_type == "conv"]
    best = max(t.work.flops / t.ms for t in traces(600, 0)[0] if t.work.conv_type == "conv")
    for tile, time in zip(tiles, learned.compute(tiles), strict=True):
        assert tile.flops / time <= best * (1 + 1e-9)


def test_a_slow_network_takes_at_least_what_its_figures_say(learned):
    """The made-up board was measured at 1 Gb/s only."""
    slow = Links("mesh", (1e7,) * 4, (1e-4,) * 4, 0, 1e7, 1e-4)
    assert learned.exchange([one_message(10**6, slow)])[0] >= 800.0
    assert learned.host_floor(10**6, slow) >= 800.0


@given(st.integers(0, 10**6), st.integers(2, 5))
def test_floor_is_below_every_cut(learned, seed, boards):
    """Rows or columns or channels over boards of random speeds."""
    rng = np.random.default_rng(seed)
    family = str(rng.choice(["conv", "pointwise", "depthwise", "pool"]))
    kernel = 1 if family == "pointwise" else 3
    axis = int(rng.choice([0, 1, 3]))
    sizes = [int(n) for n in rng.integers(boards, 60, 2)] + [64, 16 * boards * 2]
    unit = 16 if axis == 3 else 1
    cuts = np.sort(rng.choice(np.arange(1, sizes[axis] // unit), boards - 1, replace=False))
    parts = unit * np.diff([0, *cuts, sizes[axis] // unit])
    speeds = rng.uniform(0.5, 2, boards)
    tiles = [
        replace(window_tile(family, *sizes[:axis], int(part), *sizes[axis + 1 :], kernel=kernel),
                speed=float(speed))
        for part, speed in zip(parts, speeds, strict=True)
    ]
    whole = window_tile(family, *sizes, kernel=kernel)
    floor = learned.floor(whole, speeds.tolist())
    assert 0 < floor / ROUNDING <= learned.compute(tiles).max()


@given(st.integers(0, 10**6))
def test_host_floor_is_below_every_scatter_and_gather(learned, seed):
    rng = np.random.default_rng(seed)
    for kind in ("scatter", "gather"):
        transfer = random_transfer(rng, kind)
        floor = learned.host_floor(transfer.total, NETWORK)
        assert 0 < floor / ROUNDING <= learned.exchange([transfer])[0]


def test_a_faster_board_takes_less(learned):
    tile = window_tile()
    slow, fast = learned.compute([tile, replace(tile, speed=2.0)])
    assert fast == pytest.approx(slow / 2)


def test_unknown_families_are_analytic_with_measured_figures(learned):
    tile = window_tile("transposed")
    figures = learned.figures
    expected = Analytic(figures.gflops, figures.memory_bandwidth, figures.overhead)
    assert learned.compute([tile]) == pytest.approx(expected.compute([tile]))
    assert learned.floor(tile, (1.0, 1.0)) == pytest.approx(expected.floor(tile, (1.0, 1.0)))


def test_together_equals_one_by_one(learned):
    rng = np.random.default_rng(5)
    tiles = [random_tile(rng) for _ in range(50)]
    moved = [random_transfer(rng, k) for k in ("exchange", "scatter", "gather") * 10]
    fresh = Learned(
        learned.tiles, learned.transfers, learned.figures, learned.origin, learned.unit
    )
    assert learned.compute(tiles) == pytest.approx([fresh.compute([t])[0] for t in tiles])
    assert learned.exchange(moved) == pytest.approx([fresh.exchange([t])[0] for t in moved])


def test_nothing_asked_nothing_answered(learned):
    assert len(learned.compute([])) == len(learned.exchange([])) == 0
    assert learned.host_floor(0, NETWORK) == 0.0


def test_each_key_is_asked_once():
    asked, memo = [], Memo()

    def ask(keys):
        def answer(new):
            asked.extend(keys[i] for i in new)
            return np.array([len(keys[i]) for i in new], dtype=float)
        return answer

    for keys in (["a", "bb", "a"], ["bb", "ccc", "ccc", "a"]):
        assert memo.answers(keys, ask(keys)).tolist() == [len(k) for k in keys]
    assert asked == ["a", "bb", "ccc"]
    assert len(memo) == 3


def test_many_questions_of_new_and_known_keys_in_any_order():
    rng, memo, asked = np.random.default_rng(0), Memo(), []

    def ask(keys):
        def answer(new):
            asked.extend(keys[i] for i in new)
            return np.array([keys[i] ** 2 for i in new], dtype=float)
        return answer

    for size in (0, 50, 7, 1, 200, 50):
        keys = rng.integers(0, 300, size).tolist()
        assert memo.answers(keys, ask(keys)).tolist() == [key**2 for key in keys]
    assert len(memo) == len(asked) == len(set(asked))


def test_corrections_of_tiles_in_one_go_are_those_of_each(learned):
    rng = np.random.default_rng(4)
    tiles = [random_tile(rng) for _ in range(60)]
    by_sort = {"": Correction(2.0, 0.1), "conv": Correction(0.5), "conv 3x3": Correction(3.0, -0.1)}
    corrections = Corrections(by_sort)
    corrected = Learned(
        learned.tiles, learned.transfers, learned.figures, learned.origin, learned.unit, corrections
    )
    expected = [
        corrections.of(sort_of(tile)).times(ms, dense)
        for tile, ms, dense in zip(tiles, learned.compute(tiles), intensities(tiles), strict=True)
    ]
    assert len({sort_of(tile) for tile in tiles}) > 3
    assert corrected.compute(tiles) == pytest.approx(expected)


def test_a_failed_question_is_asked_again():
    memo = Memo()
    with pytest.raises(ZeroDivisionError):
        memo.answers(["a"], lambda new: np.array([1 / 0]))
    assert memo.answers(["a"], lambda new: np.array([2.0])).tolist() == [2.0]
