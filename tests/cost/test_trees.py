# SPDX-License-Identifier: Apache-2.0
"""Boosted trees as plain arrays: xgboost's answers, and nothing that it could stumble over."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xgboost

from flexpie_tvm.cost.trees import Trees
from flexpie_tvm.errors import CostError
from flexpie_tvm.testing.damage import damaged_tree

OBJECTIVES = (
    {"objective": "reg:squarederror"},
    {"objective": "reg:pseudohubererror", "huber_slope": 0.05},
)


def trained(seed: int, objective: dict | None = None) -> xgboost.Booster:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(200, 5)).astype(np.float32)
    settings = {**(objective or OBJECTIVES[0]), "max_depth": 4, "base_score": rng.normal()}
    return xgboost.train(settings, xgboost.DMatrix(rows, rng.normal(size=200)), 12)


def trees_of(booster: xgboost.Booster) -> Trees:
    return Trees.of(json.loads(booster.save_raw("json")))


def walked(trees: Trees, row: np.ndarray) -> float:
    """What the arrays say, node by node."""
    answer, first = trees.start, 0
    for size in trees.sizes:
        node = 0
        while trees.left[first + node] != -1:
            place = first + node
            right = row[trees.feature[place]] >= trees.value[place]
            node = trees.left[place] + int(right)
        answer, first = answer + float(trees.value[first + node]), first + size
    return answer


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_they_answer_as_the_booster_that_they_are_of(objective):
    booster = trained(1, objective)
    trees = trees_of(booster)
    rows = np.random.default_rng(2).normal(size=(500, 5)).astype(np.float32)
    thresholds = trees.value[trees.left != -1]
    rows[:100] = np.random.default_rng(3).choice(thresholds, (100, 5))  # a tie goes to the right
    answers = trees.booster().inplace_predict(rows)
    assert answers.tolist() == booster.inplace_predict(rows).tolist()
    assert answers == pytest.approx([walked(trees, row) for row in rows], abs=1e-5)
    assert len(set(answers.tolist())) > 50


def test_plain_data_keeps_every_bit():
    trees = trees_of(trained(4))
    data = trees.to_json()
    read = Trees.from_json(json.loads(json.dumps(data)))
    assert read.to_json() == data
    assert read.value.tobytes() == trees.value.tobytes()
    assert read.value.dtype == np.float32


@pytest.mark.parametrize(
    ("part", "place", "number"),
    [
        ("left", 0, 0),  # itself: a way without an end
        ("left", 0, 2),  # a node that two are above
        ("left", 0, 10**6),
        ("left", 0, -2),
        ("left", 0, 1.5),
        ("left", 0, 10**30),
        ("left", 0, None),
        ("feature", 0, 5),
        ("feature", 0, -1),
        ("value", 0, float("nan")),
        ("value", 0, 1e300),
        ("value", 0, "x"),
        ("sizes", 0, 0),
        ("sizes", 0, 10**12),
        ("sizes", 0, -1),
    ],
)
def test_a_node_that_contradicts_the_others(part, place, number):
    data = trees_of(trained(5)).to_json()
    data[part][place] = number
    with pytest.raises((CostError, TypeError, ValueError, OverflowError)):
        Trees.from_json(data)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 4},
        {"width": 0},
        {"width": "5"},
        {"start": "inf"},
        {"start": 501.0},
        {"start": float("nan")},
        {"left": []},
        {"sizes": []},
        {"left": [[1]]},
        {"value": "1"},
    ],
)
def test_arrays_that_do_not_fit(change):
    data = {**trees_of(trained(6)).to_json(), **change}
    if change == {"width": 4}:  # fits only if nothing looks at the last column
        assert 4 in data["feature"]
    with pytest.raises((CostError, TypeError, ValueError)):
        Trees.from_json(data)


def test_what_is_read_in_spite_of_damage_predicts():
    """xgboost ends the process over some of its own files; over none of these."""
    right, rows = trees_of(trained(7)).to_json(), np.zeros((3, 5), np.float32)
    outcomes = set()
    for seed in range(400):
        damaged = damaged_tree(right, np.random.default_rng(seed))
        try:
            trees = Trees.from_json(damaged)
        except (CostError, AttributeError, KeyError, OverflowError, TypeError, ValueError):
            outcomes.add("refused")  # `load_cost` makes one sentence of each
            continue
        outcomes.add("read" if trees.to_json() != right else "harmless")
        if trees.width == 5:
            assert np.isfinite(trees.booster().inplace_predict(rows)).all()
    assert {"refused", "read"} <= outcomes
