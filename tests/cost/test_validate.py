# SPDX-License-Identifier: Apache-2.0
"""How estimators are grown is decided by what they were not trained on."""

from __future__ import annotations

import numpy as np

from flexpie_tvm.cost.estimator import Estimator
from flexpie_tvm.cost.rows import RowLayout, Rows
from flexpie_tvm.cost.validate import best_growth, held_out

LAYOUT = RowLayout(("size",), 1, ("size",), 1, ("size",))


def line(sizes) -> Rows:
    return LAYOUT.rows({"size": np.asarray(sizes)}, ("",), np.zeros(len(sizes), dtype=int))


def measured(noise: float, steps: bool) -> tuple[Rows, np.ndarray]:
    rng = np.random.default_rng(0)
    sizes = rng.uniform(1, 1000, 300)
    ms = sizes * (np.exp(sizes // 20 / 10) if steps else 1) * np.exp(rng.normal(0, noise, 300))
    return line(sizes), ms


def test_growing_less_is_the_beginning_of_growing_more():
    rows, ms = measured(0.1, steps=True)
    for rounds in (1, 7, 20):
        once = Estimator.fit(rows, ms, rounds)
        cut = Estimator.fit(rows, ms, 20).grown_to(rounds)
        assert len(once.trees.sizes) == rounds
        assert once.predict(rows).tolist() == cut.predict(rows).tolist()


def test_trees_are_as_many_as_teach_something():
    rows, ms = measured(0.0, steps=True)
    assert best_growth(rows, ms, folds=3, rounds=50).rounds == 50
    rows, ms = measured(0.2, steps=False)
    assert best_growth(rows, ms, folds=3, rounds=50).rounds == 20


def test_what_is_held_out_is_that_of_the_way_and_number_that_are_chosen():
    rows, ms = measured(0.1, steps=True)
    best = best_growth(rows, ms, folds=3, rounds=10)
    alone = held_out(rows, ms, None, 3, best.rounds, best.way)
    assert best.predicted.tolist() == alone.tolist()
