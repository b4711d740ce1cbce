# SPDX-License-Identifier: Apache-2.0
"""Best plans against baselines, other clusters, memory limits and other objectives."""

import random
from itertools import pairwise

import pytest
from oracle import all_plans
from plan_graphs import Builder, chain, random_graph, random_reduction

from flexpie_tvm.cost import Analytic
from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import (
    BASELINES,
    ClusterSpec,
    Planner,
    baseline_plan,
    best_plan,
    compare,
    plan_from_json,
    plan_to_json,
)
from flexpie_tvm.plan.predict.evaluate import evaluate
from flexpie_tvm.plan.search.candidates import candidates_for

SMALL = Analytic(gflops=0.05, memory_bandwidth=1e8, overhead=1e-6)


def residual_net(size=24, channels=8):
    b = Builder()
    x = b.conv(b.input(1, 3, size, size), channels)
    for stride in (1, 2, 1):
        y = b.relu(b.conv(x, channels, 3, stride))
        short = x if stride == 1 else b.conv(x, channels, 1, stride)
        x = b.relu(b.add(b.conv(y, channels), short))
    pooled = b.global_pool(b.concat((x, b.conv(x, channels, 1))))
    flat = b.op("nn.batch_flatten", (pooled,), [(1, 2 * channels)])
    return b.graph(b.dense(flat, 10))


def clusters():
    for boards in (1, 2, 3, 4, 6):
        for topology in ("mesh", "ring", "ps", "shared"):
            for bandwidth in (1e6, 1e8, 1e10):
                yield ClusterSpec(boards, bandwidth, topology=topology)


@pytest.mark.parametrize("cluster", clusters(), ids=str)
def test_never_above_any_baseline(cluster):
    rows = compare(residual_net(), cluster, SMALL)
    assert [row.name for row in rows] == [*BASELINES, "auto"]
    best = rows[-1].predicted_ms
    assert all(row.predicted_ms >= best * (1 - 1e-9) for row in rows)
    assert all(row.score == pytest.approx(best / row.predicted_ms) for row in rows)


def test_random_graphs_are_never_above_any_baseline():
    for seed in range(60):
        rng = random.Random(seed)
        boards = rng.choice([2, 3, 4, 5])
        speeds = tuple(rng.choice([1, 2, 5]) for _ in range(boards))
        graph = random_graph(rng) if seed % 2 else random_reduction(rng)
        rows = compare(graph, ClusterSpec(boards, 1e7, speeds=speeds), SMALL)
        best = rows[-1].predicted_ms
        assert all(row.predicted_ms >= best * (1 - 1e-9) for row in rows), f"seed {seed}"


def wide_net(branches=5, size=12):
    """Concatenated branches of different depth: many tensors are open at once."""
    b = Builder()
    x = b.conv(b.input(1, 3, size, size), 4)
    for _ in range(2):
        ends = []
        for k in range(branches):
            y = x
            for _ in range(k % 3 + 1):
                y = b.conv(y, 4, 3 if k % 2 else 1)
            ends.append(y)
        x = b.relu(b.concat(ends))
    return b.graph(b.conv(x, 8, 1))


@pytest.mark.parametrize(
    ("bandwidth", "speeds"), [(1e6, ()), (1e8, ()), (1e8, (3, 2, 2, 1))]
)
def test_a_beam_is_never_above_any_baseline(bandwidth, speeds):
    """With one state the search is all but blind; its plan is still the best that is known."""
    graph, cluster = wide_net(), ClusterSpec(4, bandwidth, speeds=speeds)
    planner = Planner(graph, cluster, SMALL, widths=(1,))
    found = planner.best()
    assert found.bound < found.cost
    full = Planner(graph, cluster, SMALL)
    assert found.bound <= full.best().cost <= found.cost * (1 + 1e-9)
    for name in ("InH", "InW", "OutC", "2D-grid"):
        assert full.baseline(name).cost >= found.cost * (1 - 1e-9), name
    rows = compare(graph, cluster, planner=planner)
    assert all(row.predicted_ms >= rows[-1].predicted_ms * (1 - 1e-9) for row in rows)


@pytest.mark.parametrize("topology", ["mesh", "ring", "ps", "shared"])
@pytest.mark.parametrize("speeds", [(1, 1), (1, 1, 1), (1, 1, 1, 1), (1, 3, 2)])
def test_faster_links_never_make_the_best_plan_slower(topology, speeds):
    graph = residual_net()
    times = [
        best_plan(
            graph, ClusterSpec(len(speeds), rate, topology=topology, speeds=speeds), SMALL
        ).notes["predicted_ms"]
        for rate in (1e5, 1e6, 1e7, 1e8, 1e9, 1e11)
    ]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("topology", ["mesh", "ps", "shared"])
@pytest.mark.parametrize("speeds", [(1, 1, 1, 1, 1), (3, 2, 2, 1, 1)])
def test_another_board_never_makes_the_best_plan_slower(topology, speeds):
    graph = residual_net()
    times = [
        best_plan(
            graph, ClusterSpec(n, 1e7, topology=topology, speeds=speeds[:n]), SMALL
        ).notes["predicted_ms"]
        for n in range(1, 6)
    ]
    assert all(b <= a * (1 + 1e-9) for a, b in pairwise(times))


def test_up_to_64_boards():
    graph, cluster = chain(3, 32, 64), ClusterSpec(64, 1e11, latency=1e-6)
    rows = compare(graph, cluster, SMALL)
    assert all(row.predicted_ms >= rows[-1].predicted_ms * (1 - 1e-9) for row in rows)
    used = {b for regions in rows[-1].plan.owned(graph).values()
            for b, region in enumerate(regions) if not region.is_empty}
    assert len(used) > 8


def test_slow_links_carry_nothing_and_fast_links_use_all_boards():
    graph = chain(4, 16, 32)
    slow = best_plan(graph, ClusterSpec(4, 1e4), SMALL)
    assert slow.notes["bytes_exchanged"] == 0
    fast = evaluate(graph, best_plan(graph, ClusterSpec(4, 1e11, latency=0), SMALL), SMALL)
    assert all((times > 0).all() for times in fast.compute.values())


def test_faster_boards_get_larger_parts():
    graph = chain(3, 16, 40)
    cluster = ClusterSpec(2, 1e11, latency=0, speeds=(1.0, 3.0))
    plan = best_plan(graph, cluster, SMALL)
    geometry = plan.geometry(graph)
    for regions in geometry.owned.values():
        assert regions[1].volume > 2 * regions[0].volume
    figures = evaluate(graph, plan, SMALL)
    even = max(1, *(t.max() / t.min() for t in figures.compute.values()))
    assert even < 1.2


def test_two_neighbouring_cells_make_the_grid_of_three_boards():
    graph = chain(2, 8, 16)
    plan = baseline_plan("2D-grid", graph, ClusterSpec(3), SMALL)
    for choice in plan.choices.values():
        assert choice.scheme == "2D-grid:2x2"
        assert choice.split.ranks == (0, 0, 1, 2)
    volumes = [[r.volume for r in regions] for regions in plan.owned(graph).values()]
    assert all(v == [2 * v[1], v[1], v[1]] for v in volumes)


@pytest.mark.parametrize("boards", range(1, 9))
@pytest.mark.parametrize("name", [*BASELINES, "InH", "InW", "Single", "auto"])
def test_plans_survive_json(name, boards):
    graph = residual_net(12, 4)
    cluster = ClusterSpec(boards, speeds=tuple(range(1, boards + 1)), memory=(10**8,) * boards)
    plan = baseline_plan(name, graph, cluster, SMALL)
    again = plan_from_json(plan_to_json(plan, graph), "plan.json")
    assert again.choices == {
        k: c if c.mode == "T" else again.choices[k] for k, c in plan.choices.items()
    }
    assert again.cluster == cluster
    assert evaluate(graph, again, SMALL).latency == pytest.approx(plan.notes["predicted_ms"])


def test_memory_limits_are_kept():
    graph = chain(5, 32, 16)
    free = best_plan(graph, ClusterSpec(4, 1e9), SMALL)
    need = max(free.notes["memory"])
    for share in (1.0, 0.8, 0.6):
        limit = int(need * share)
        plan = best_plan(graph, ClusterSpec(4, 1e9, memory=(limit,) * 4), SMALL)
        assert max(plan.notes["memory"]) <= limit
        assert plan.notes["predicted_ms"] >= free.notes["predicted_ms"] * (1 - 1e-9)


def test_limits_that_some_plan_keeps_are_kept():
    """Brute force finds a plan for each limit; so does the planner, and not far from it."""
    for seed in range(12):
        graph = random_graph(random.Random(seed))
        if len(graph.layers) > 2:
            continue
        cluster = ClusterSpec(2, 1e7)
        plans = all_plans(graph, cluster, candidates_for(graph, cluster))
        tried = [evaluate(graph, plan, SMALL) for plan in plans]
        needs = sorted(max(one.memory) for one in tried)
        for limit in (needs[0], needs[len(needs) // 3], needs[-1]):
            least = min(one.latency for one in tried if max(one.memory) <= limit)
            limited = ClusterSpec(2, 1e7, memory=(limit, limit))
            notes = best_plan(graph, limited, SMALL).notes
            assert max(notes["memory"]) <= limit
            assert notes["predicted_ms"] >= least * (1 - 1e-9)
            assert notes["predicted_ms"] / (1 + notes["gap"]) <= least * (1 + 1e-9)


def test_no_plan_fits_says_by_how_much():
    graph = chain(3, 32, 16)
    with pytest.raises(PlanError, match=r"fits the boards' memory.*\d MB more"):
        best_plan(graph, ClusterSpec(2, memory=(10_000, 10_000)), SMALL)


def test_throughput_is_never_worse_than_the_latency_plan():
    for seed in range(8):
        graph = random_graph(random.Random(seed))
        cluster = ClusterSpec(3, 1e7)
        quick = best_plan(graph, cluster, SMALL)
        busy = best_plan(graph, cluster, SMALL, objective="throughput")
        assert busy.notes["value"] <= evaluate(graph, quick, SMALL).throughput * (1 + 1e-9)
        assert busy.notes["gap"] >= 0


def test_energy_of_its_own_plan_is_least():
    graph = residual_net(12, 4)
    cluster = ClusterSpec(3, 1e7)
    least = best_plan(graph, cluster, SMALL, objective="energy").notes["value"]
    for name in BASELINES:
        assert evaluate(graph, baseline_plan(name, graph, cluster, SMALL), SMALL).energy >= least


@pytest.mark.parametrize(
    "call",
    [
        lambda g: baseline_plan("InQ", g, ClusterSpec(2)),
        lambda g: baseline_plan("2D-grid:3x3", g, ClusterSpec(4)),
        lambda g: best_plan(g, ClusterSpec(2), objective="beauty"),
        lambda g: Planner(g, ClusterSpec(0)),
    ],
)
def test_bad_requests_are_plan_errors(call):
    with pytest.raises(PlanError):
        call(chain(2))
