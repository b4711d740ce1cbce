# SPDX-License-Identifier: Apache-2.0
"""Few measurements correct a cost model of other boards."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from flexpie_tvm.cost import load_cost, save_cost
from flexpie_tvm.cost.calibration import calibrate, off_by
from flexpie_tvm.cost.corrections import (
    Correction,
    Corrections,
    fit_corrections,
    sort_of,
)
from flexpie_tvm.cost.link_correction import LinkCorrection, fit_link, link_parts
from flexpie_tvm.cost.network import transfer_seconds
from flexpie_tvm.cost.records import Links, Setting
from flexpie_tvm.cost.traces import TransferTrace
from flexpie_tvm.errors import CostError

from .machine import NETWORK, SETTING, random_tile, random_transfer, traces

OTHER = Setting("other", SETTING.target, SETTING.tvm, 4, "abcdef012345")
SLOWER = {"conv": 3.0, "pointwise": 2.0, "depthwise": 0.7, "pool": 1.4}


def measured(tiles: int, transfers: int, seed: int):
    """What another board needs: longer, by family, and in part by operations per byte."""
    works, moved = traces(tiles, transfers, seed)

    def other(trace):
        intensity = trace.work.flops / trace.work.bytes_moved
        longer = SLOWER[trace.work.conv_type] * intensity**0.1
        return replace(trace, ms=trace.ms * longer, setting=OTHER)

    return (
        [other(trace) for trace in works],
        [replace(trace, ms=trace.ms * 2.5, setting=OTHER) for trace in moved],
    )


@pytest.fixture(scope="module")
def found(learned):
    return calibrate([learned], OTHER, *measured(80, 60, 5), (5e-5, 1e-4))


def test_few_tiles_make_foreign_costs_right(learned, found):
    tiles, transfers = measured(300, 90, 6)
    works, took = [t.work for t in tiles], np.array([t.ms for t in tiles])
    before = np.abs(learned.compute(works) / took - 1).mean()
    after = np.abs(found.cost.compute(works) / took - 1).mean()
    assert before > 0.35
    assert after < 0.09
    assert found.tiles.before.mape == pytest.approx(before, abs=0.1)
    assert found.tiles.after.mape == pytest.approx(after, abs=0.04)
    for kind, compared in found.transfers.items():
        own = [t for t in transfers if t.transfer.kind == kind]
        said, took = found.cost.exchange([t.transfer for t in own]), np.array([t.ms for t in own])
        assert np.abs(said / took - 1).mean() < 0.25 < compared.before.mape
        assert compared.after.mape < 0.25
    assert set(found.transfers) == {"exchange", "scatter", "gather"}


def test_what_it_is_of_is_told(learned, found, tmp_path):
    save_cost(found.cost, tmp_path / "other.cost")
    loaded = load_cost(tmp_path / "other.cost")
    assert loaded.name == "calibrated (other, from learned (made-up))"
    assert loaded.settings == (OTHER,)
    assert (loaded.origin.tiles, loaded.origin.transfers) == (80, 60)
    assert loaded.origin.networks == (NETWORK,)
    assert [loaded.calls(boards) for boards in (1, 2)] == pytest.approx([0.15, 0.25])
    assert learned.calls(2) == 0
    rng = np.random.default_rng(1)
    works = [random_tile(rng) for _ in range(50)]
    moved = [random_transfer(rng, kind) for kind in ("exchange", "scatter", "gather")]
    assert loaded.compute(works).tolist() == found.cost.compute(works).tolist()
    assert loaded.exchange(moved).tolist() == found.cost.exchange(moved).tolist()


def test_calibrating_again_starts_from_what_was_corrected_first(learned, found):
    again = calibrate([found.cost], OTHER, *measured(80, 60, 5))
    tiles = [t.work for t in traces(20, 0, 9)[0]]
    assert again.cost.compute(tiles) == pytest.approx(found.cost.compute(tiles))


def test_of_several_models_the_nearest_is_corrected(learned):
    rng = np.random.default_rng(3)
    tiles, _ = measured(80, 0, 5)
    blind = replace(learned.figures, gflops=1.0)
    worse = type(learned)({}, {}, blind, replace(learned.origin, setting=OTHER), learned.unit)
    for bases in ([worse, learned], [learned, worse]):
        rng.shuffle(tiles)
        assert calibrate(bases, OTHER, tiles).cost.origin.corrects == learned.name


def test_tiles_of_no_time_do_not_choose_the_model():
    took = np.array([1e-4, 0.02, 0.5, 2.0])
    of_tiny_ones, of_the_rest = took * [1, 1.2, 1.2, 1.2], took * [100, 1.02, 1.02, 1.02]
    mape = [np.abs(said / took - 1).mean() for said in (of_tiny_ones, of_the_rest)]
    assert mape[0] < mape[1]
    assert off_by(took, of_tiny_ones) == pytest.approx((0.2 * 3) / 4)
    assert off_by(took, of_the_rest) == pytest.approx((0.99 + 0.02 * 3) / 4)
    tiny = took * [50, 1.02, 1.02, 1.02]
    assert off_by(took, tiny) < off_by(took, of_tiny_ones) < np.abs(tiny / took - 1).mean()


def test_no_cut_is_below_the_floor(found):
    """A layer over four boards: the slowest of the best even cut is not below the floor."""
    rng = np.random.default_rng(4)
    for _ in range(40):
        whole = random_tile(rng)
        rows = max(1, whole.out_hwc[0] // 4)
        part = replace(
            whole, out_hwc=(rows, *whole.out_hwc[1:]), flops=whole.flops * rows // whole.out_hwc[0],
            bytes_read=whole.bytes_read * rows // whole.out_hwc[0],
            bytes_written=whole.bytes_written * rows // whole.out_hwc[0],
        )  # fmt: skip
        share = rows / whole.out_hwc[0]
        floor = found.cost.floor(whole, [1.0] * 4)
        if share >= 0.25:
            assert floor <= found.cost.compute([part])[0] * 1.0001


def test_too_few_tiles_are_one_sentence(learned):
    with pytest.raises(CostError, match="only 5 tiles were timed, too few to calibrate by"):
        calibrate([learned], OTHER, measured(5, 0, 1)[0])


def test_sorts_that_were_not_measured_are_told_by_their_family_and_by_all():
    rng = np.random.default_rng(2)
    predicted = rng.uniform(0.1, 2, 60)
    sorts = ["conv 3x3", "conv strided", "pool nn.max_pool2d"] * 20
    longer = np.array([2.0, 2.0, 0.5] * 20)
    by_sort = fit_corrections(sorts, predicted, predicted * longer, np.ones(60))
    known = Corrections(by_sort)
    assert known.of("conv 3x3").times(1.0) == pytest.approx(2, rel=0.1)
    assert known.of("conv 5x5").times(1.0) == pytest.approx(2, rel=0.15)
    assert known.of("pool nn.max_pool2d").times(1.0) == pytest.approx(0.5, rel=0.1)
    assert 0.8 < known.of("grouped").times(1.0) < 1.6
    assert Corrections({}).of("grouped") == Correction(1.0)


def test_one_disturbed_measurement_hardly_counts():
    rng = np.random.default_rng(2)
    predicted = rng.uniform(0.1, 2, 30)
    measured = predicted * 1.5
    measured[7] *= 40
    known = Corrections(fit_corrections(["matmul"] * 30, predicted, measured, np.ones(30)))
    assert known.of("matmul").times(1.0) == pytest.approx(1.5, rel=0.05)


def test_transfers_over_links_that_are_slow_take_those_into_account(learned):
    """Learned where links cost nothing; here they do, and boards copy one after the other."""
    rng = np.random.default_rng(7)

    def took(transfers):
        wire = transfer_seconds(transfers, 0.0, float("inf")) * 1e3
        copied = np.array([t.nbytes.sum() for t in transfers]) * 2.5e-6
        return 0.5 * learned.exchange(transfers) + 1.05 * wire + copied + 0.02

    def drawn(count):
        return [random_transfer(rng, "exchange") for _ in range(count)]

    few = drawn(25)
    moved = [
        TransferTrace(transfer, float(ms), 0.01, 15, "made-up", OTHER)
        for transfer, ms in zip(few, took(few), strict=True)
    ]
    found = calibrate([learned], OTHER, measured(20, 0, 5)[0], moved)
    many = drawn(200)
    before = np.abs(learned.exchange(many) / took(many) - 1).mean()
    after = np.abs(found.cost.exchange(many) / took(many) - 1).mean()
    assert after < 0.06
    assert after < before / 3
    assert set(found.cost.corrections.by_kind) == {"exchange"}


def test_what_was_learned_over_fast_links_is_not_taken_for_less_than_slow_ones_need(learned):
    """Some of the transfers are bound by the links, others by what boards do: no sum tells both."""
    rng = np.random.default_rng(12)
    slow = Links("mesh", (5e9,) * 4, (0.0,) * 4, host_bandwidth=5e9, host_latency=0.0)
    drawn = [replace(random_transfer(rng, "gather"), links=slow) for _ in range(150)]
    wire = transfer_seconds(drawn, 0.0, float("inf")) * 1e3
    own = learned.exchange([replace(one, links=NETWORK) for one in drawn])
    assert 0.1 < (own > wire).mean() < 0.9
    took = 1.1 * np.maximum(own, wire) + 0.01
    moved = [
        TransferTrace(transfer, float(ms), 0.01, 15, "made-up", OTHER)
        for transfer, ms in zip(drawn[:25], took[:25], strict=True)
    ]
    found = calibrate([learned], OTHER, measured(20, 0, 5)[0], moved)
    said = found.cost.exchange(drawn[25:])
    assert np.abs(said / took[25:] - 1).mean() < 0.08
    assert found.transfers["gather"].before.mape < 0.3


def test_one_disturbed_transfer_hardly_counts_and_no_part_is_negative():
    rng = np.random.default_rng(8)
    predicted, parts = rng.uniform(0.1, 2, 30), rng.uniform(0.1, 5, (30, 5))
    measured = 3 * predicted + parts @ [1, 0, 0, 2, 0]
    measured[4] *= 30
    asked = np.array([[2.0, 4.0, 1.0, 3.0, 1.0]])
    assert fit_link(predicted, parts, measured).times(1.0, asked) == pytest.approx(11, rel=0.05)
    falls = fit_link(predicted, parts, 10 - predicted)
    assert min(astuple(falls)) >= 0


def at_once(transfers):
    """The same over links without latency."""

    def links(own):
        return replace(own, latency=(0.0,) * len(own.latency), host_latency=0.0)

    return [replace(item, links=links(item.links)) for item in transfers]


def test_links_may_be_quicker_to_answer_than_was_said(learned):
    rng = np.random.default_rng(12)
    asked = [random_transfer(rng, "exchange") for _ in range(60)]
    took = transfer_seconds(at_once(asked), 1e-5, 4e9) * 1e3
    moved = [
        TransferTrace(item, float(ms), 0.01, 15, "made-up", OTHER)
        for item, ms in zip(asked, took, strict=True)
    ]
    found = calibrate([learned], OTHER, measured(30, 0, 5)[0], moved)
    assert found.transfers["exchange"].after.median < 0.05


@pytest.mark.parametrize("kind", ["exchange", "scatter", "gather"])
def test_what_a_transfer_is_made_of(kind):
    rng = np.random.default_rng(11)
    transfers = [random_transfer(rng, kind) for _ in range(40)]
    wire, delay, busiest, everything, messages = link_parts(transfers).T
    assert wire + delay == pytest.approx(transfer_seconds(transfers, 0.0, float("inf")) * 1e3)
    without = transfer_seconds(at_once(transfers), 0.0, float("inf"))
    assert wire.tolist() == (without * 1e3).tolist()
    assert (delay >= 0).all()
    assert delay.any()
    for k, item in enumerate(transfers):
        boards = range(len(item.links.bandwidth))
        sent = [[int(n) for n in row] for row in item.nbytes]
        by_board = [
            sum(row[b] for row in sent if kind != "gather")
            + (sum(sent[b]) if kind != "scatter" else 0)
            for b in boards
        ]
        assert busiest[k] * 1e6 == pytest.approx(max(by_board))
        assert everything[k] * 1e6 == pytest.approx(sum(map(sum, sent)))
        assert messages[k] == sum(n > 0 for row in sent for n in row)


def test_damaged_corrections_are_refused():
    for parts in ((-1.0,), (0.0,), (1.0, -1.0), (1.0, float("nan")), (1.0, 0.0, float("inf"))):
        with pytest.raises(ValueError, match="out of range"):
            LinkCorrection(*parts)
    for factor, power in ((0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, 3.0)):
        with pytest.raises(ValueError, match="out of range"):
            Correction(factor, power)


def test_small_kernels_of_one_family_are_of_several_sorts():
    tile = random_tile(np.random.default_rng(0))
    conv = replace(tile, conv_type="conv", kernel=(3, 3), strides=(1, 1))
    assert sort_of(conv) == "conv 3x3"
    assert sort_of(replace(conv, strides=(2, 1))) == "conv strided"
    assert sort_of(replace(conv, conv_type="pointwise")) == "pointwise"
    assert sort_of(replace(conv, conv_type="pool", kind="nn.max_pool2d")) == "pool nn.max_pool2d"
