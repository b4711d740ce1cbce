# SPDX-License-Identifier: Apache-2.0
"""Training: nothing leaks into what is held out, and it predicts better than the roofline."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexpie_tvm.cost import Analytic
from flexpie_tvm.cost.estimator import Estimator
from flexpie_tvm.cost.rows import RowLayout
from flexpie_tvm.cost.train import analytic, fit_figures, train
from flexpie_tvm.cost.validate import fold_of, held_out, score
from flexpie_tvm.errors import CostError

from .machine import SETTING, tile_ms, traces

LINE = RowLayout(("size",), 1, ("size", "one"), 2, ("size",))


def line(sizes):
    sizes = np.array(sizes, dtype=float)
    value = {"size": sizes, "one": np.ones_like(sizes)}
    return LINE.rows(value, ("",), np.zeros(len(sizes), dtype=int))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.integers(2, 10))
def test_rows_of_one_configuration_are_held_out_together(groups, folds):
    fold = fold_of(groups, folds)
    assert all(len({int(f) for f, g in zip(fold, groups, strict=True) if g == k}) == 1
               for k in groups)
    _, sizes = np.unique([fold[groups.index(k)] for k in set(groups)], return_counts=True)
    assert sizes.max() - sizes.min() <= 1 or len(set(groups)) < folds


def test_what_is_held_out_is_not_known():
    """One configuration, measured five times, is unlike all others: it must be missed."""
    sizes = [*range(10, 60), *[80] * 5]
    ms = np.array([*(0.1 * n for n in range(10, 60)), *[400.0] * 5])
    predicted = held_out(line(sizes), ms, groups=sizes, folds=5)
    assert (predicted[-5:] < 20).all()
    leaking = held_out(line(sizes), ms, groups=range(len(sizes)), folds=5)
    assert (leaking[-5:] > 100).any()


def test_repeats_of_a_configuration_count_once_with_their_median():
    tiles, _ = traces(60, 0)
    tiles = [replace(t, work=replace(t.work, conv_type="conv")) for t in tiles]
    noisy = [replace(tiles[0], ms=1e4), replace(tiles[0], work=replace(tiles[0].work, nodes=3))]
    trained = train([*tiles, *noisy], folds=3, rounds=5)
    assert trained.tiles[0].score.count == 60
    assert trained.cost.origin.tiles == 60


def test_held_out_tiles_are_predicted_much_better_than_by_the_roofline(trained):
    for held in trained.tiles:
        assert held.score.mape < 0.12
        assert held.score.rank > 0.98
        best = analytic(trained.cost.figures).compute(held.records)
        assert held.score.mape < score(held.measured, best).mape / 1.5
    for held in trained.transfers:
        assert held.score.mape < 0.05


def test_fresh_tiles_are_predicted_as_well_as_held_out_ones(trained):
    tiles, _ = traces(400, 0, seed=99)
    works = [t.work for t in tiles]
    truth = np.array([tile_ms(w) for w in works])
    found = score(truth, trained.cost.compute(works)).mape
    claimed = np.mean([held.score.mape for held in trained.tiles])
    assert found < 1.5 * claimed


def test_fitted_figures_are_better_than_the_defaults(trained):
    tiles, _ = traces(200, 0, seed=3)
    works, ms = [t.work for t in tiles], np.array([t.ms for t in tiles])
    own = analytic(fit_figures(works, ms))
    assert score(ms, own.compute(works)).mape < score(ms, Analytic().compute(works)).mape


def test_few_configurations_of_a_family_are_left_out(trained):
    tiles, transfers = traces(40, 0)
    kept = [t for t in tiles if t.work.conv_type != "pool"]
    pools = [t for t in tiles if t.work.conv_type == "pool"][:3]
    found = train([*(replace(t, work=replace(t.work, conv_type="conv")) for t in kept), *pools],
                  transfers, folds=3, rounds=5)
    assert found.skipped == {"pool": len(pools)}
    assert set(found.cost.tiles) == {"conv"}


def test_several_boards_are_not_mixed():
    tiles, _ = traces(60, 0)
    other = replace(SETTING, board_kind="other")
    with pytest.raises(CostError, match=r"'made-up'.*'other'"):
        train([*tiles, replace(tiles[0], setting=other)])
    with pytest.raises(CostError, match="empty"):
        train([])
    with pytest.raises(CostError, match="too few"):
        train(tiles[:10])


def test_terms_are_fitted_without_regard_to_outliers():
    sizes = np.arange(1, 101, dtype=float)
    ms = 0.5 * sizes + 2
    ms[::10] *= 30
    estimator = Estimator.fit(line(sizes), ms, rounds=1)
    assert estimator.coefficients[""] == pytest.approx([0.5, 2.0], rel=1e-3)


def test_score_of_known_errors():
    found = score(np.array([1.0, 2.0, 4.0]), np.array([1.1, 2.0, 2.0]))
    assert (found.mape, found.median) == pytest.approx((0.2, 0.1))
    assert found.count == 3
    assert found.rank == pytest.approx(0.866, abs=1e-3)
