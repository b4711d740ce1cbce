# SPDX-License-Identifier: Apache-2.0
"""plan.json: whatever is wrong with it is said when it is read."""

from copy import deepcopy

import pytest
from plan_graphs import chain

from flexpie_tvm.cost import Analytic
from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import (
    ClusterSpec,
    best_plan,
    load_plan,
    plan_from_json,
    plan_to_json,
    save_plan,
)

NONSENSE = (None, -1, 1.5, float("nan"), "x", [], {}, [[]], ["a"], [0.5, 1])


@pytest.fixture(scope="module")
def graph():
    return chain(3)


@pytest.fixture(scope="module")
def plan(graph):
    return best_plan(graph, ClusterSpec(3, 1e10, speeds=(1, 2, 3)), Analytic(0.01))


def places(data, before=()):
    """The way to every entry of nested lists and dicts."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items if isinstance(data, dict | list) else ():
        yield (*before, key)
        if isinstance(value, dict | list):
            yield from places(value, (*before, key))


def test_a_plan_is_the_same_after_writing_and_reading(plan, graph, tmp_path):
    save_plan(plan, graph, tmp_path / "plan.json")
    again = load_plan(tmp_path / "plan.json")
    assert again.cluster == plan.cluster
    assert again.geometry(graph) == plan.geometry(graph)


def test_damage_is_refused_or_makes_no_difference_to_who_computes(plan, graph):
    """Every entry that is read is spoiled in turn: an error that says so, never a crash."""
    data = plan_to_json(plan, graph)
    read = {"tensor", "mode", "scheme", "axes", "cuts", "ranks"}
    for place in places({name: data[name] for name in ("version", "cluster", "layers")}):
        if place[0] == "layers" and len(place) > 2 and place[2] not in read:
            continue
        for value in NONSENSE:
            spoiled = deepcopy(data)
            entry = spoiled
            for key in place[:-1]:
                entry = entry[key]
            entry[place[-1]] = value
            try:
                found = plan_from_json(spoiled, "plan.json").geometry(graph)
            except PlanError:
                continue
            assert place[0] == "cluster", f"{place} = {value!r}"
            assert found == plan.geometry(graph)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mode": "both"}, "mode 'both'"),
        ({"scheme": "InQ"}, "scheme 'InQ'"),
        ({"cuts": [[0, 9, 5, 16]]}, "cuts"),
        ({"cuts": [[0, 5.5, 9, 16]]}, "whole numbers"),
        ({"axes": [2, 2], "cuts": [[0, 16], [0, 16]]}, "axes"),
        ({"ranks": [0, 1, 7]}, "ranks"),
        ({"tensor": "relu_1"}, "two entries"),
    ],
)
def test_what_is_wrong_is_named(plan, graph, change, why):
    data = plan_to_json(plan, graph)
    assert data["layers"][0]["mode"] == "T"
    data["layers"][1]["tensor"] = "relu_1"
    data["layers"][0].update(change)
    with pytest.raises(PlanError, match=rf"plan 'p.json' is damaged .*{why}"):
        plan_from_json(data, "p.json")


@pytest.mark.parametrize(
    "entries",
    [{"bandwidth": float("nan")}, {"latency": float("inf")}, {"boards": 2.0},
     {"speeds": (1.0, float("nan"))}],
)
def test_clusters_of_no_numbers_are_refused(entries):
    with pytest.raises(PlanError):
        ClusterSpec(**{"boards": 2, **entries})
