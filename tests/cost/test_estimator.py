# SPDX-License-Identifier: Apache-2.0
"""One estimator, trained in each of the ways: it rises, and goes on rising."""

import numpy as np
import pytest

from flexpie_tvm.cost.boosting import WAYS
from flexpie_tvm.cost.estimator import Estimator
from flexpie_tvm.cost.rows import RowLayout, Rows

LAYOUT = RowLayout(("size",), 1, ("size",), 1, ("size",))
MOST = 1000.0


def line(sizes) -> Rows:
    return LAYOUT.rows({"size": np.asarray(sizes)}, ("",), np.zeros(len(sizes), dtype=int))


def random_sizes(count=400) -> np.ndarray:
    return np.random.default_rng(0).uniform(1, MOST, count)


@pytest.mark.parametrize("way", WAYS)
def test_it_never_falls_and_grows_in_proportion_beyond_the_training(way):
    sizes = random_sizes()
    noise = np.random.default_rng(1).normal(0, 0.1, len(sizes))
    estimator = Estimator.fit(line(sizes), np.exp(noise) * (5 + sizes), way=way)
    asked = np.linspace(1, 3 * MOST, 500)
    times = estimator.predict(line(asked))
    assert (np.diff(times) >= -1e-9 * times[:-1]).all()
    far = estimator.predict(line([10 * MOST, 20 * MOST]))
    assert far[1] / far[0] == pytest.approx(2)


def test_trees_over_the_root_of_the_base_learn_what_grows_more_slowly():
    """What is left of log(time) falls with the size: trees that never fall cannot learn it."""
    sizes = random_sizes()
    errors = {}
    for way in ("square", "root"):
        estimator = Estimator.fit(line(sizes), np.sqrt(sizes), way=way)
        asked = np.linspace(10, MOST, 100)
        errors[way] = np.abs(estimator.predict(line(asked)) / np.sqrt(asked) - 1).mean()
    assert errors["root"] < 0.05 < 0.2 < errors["square"]