# SPDX-License-Identifier: Apache-2.0
"""What is drawn: repeatable, of all kinds, and described as the planner describes it."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st

from flexpie_tvm.cost import Links
from flexpie_tvm.cost.traces import tile_configuration, transfer_configuration
from flexpie_tvm.graph import whole
from flexpie_tvm.lab.profiler.draft import Draft
from flexpie_tvm.lab.profiler.families import FAMILIES
from flexpie_tvm.lab.profiler.sampler import draw_regions, random_subject, sample_tiles
from flexpie_tvm.lab.profiler.tiles import layer_tiles, tile_program, tile_record
from flexpie_tvm.lab.profiler.transfers import barrier, draw_exchange, draw_host_transfer
from flexpie_tvm.plan import ClusterSpec, derive, uniform_plan
from flexpie_tvm.plan.predict.facts import Facts
from flexpie_tvm.plan.predict.work import tile_work
from flexpie_tvm.relay import import_module

TYPES = {
    "conv", "pointwise", "depthwise", "grouped", "transposed", "matmul", "pool", "elementwise",
    "other",
}  # fmt: skip


def drawn(subject, seed: int, cuts: int = 1):
    return list(sample_tiles(subject, np.random.default_rng(seed), cuts, set()))


def test_the_same_seed_draws_the_same_tiles(target):
    works = [
        [
            p.work
            for p in drawn(
                random_subject(np.random.default_rng(3), 6, tvm.target.Target(target)), 4
            )
        ]
        for _ in range(2)
    ]
    assert works[0] == works[1]
    assert works[0]


def test_another_seed_draws_other_tiles(random_layers):
    first, second = ({p.work for p in drawn(random_layers, seed)} for seed in (1, 2))
    assert len(first - second) > len(first) / 3


def test_all_kinds_are_drawn(random_layers):
    assert {p.work.conv_type for p in drawn(random_layers, 6)} == TYPES


def test_families_can_be_chosen(target):
    layers = random_subject(
        np.random.default_rng(3), 12, tvm.target.Target(target), ("grouped", "pool")
    )
    types = {p.work.conv_type for p in drawn(layers, 6)}
    # what a pool pools, and what lays out, comes along
    assert {"grouped", "pool"} <= types <= {"grouped", "pool", "conv", "pointwise", "other"}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(4))
def test_every_family_makes_legal_layers_of_bounded_size(family, seed):
    draft = Draft(np.random.default_rng(seed), "x")
    expr = FAMILIES[family][0](draft)
    graph = import_module(tvm.IRModule.from_expr(tvm.relay.Function(draft.params, expr))).graph
    assert all(prod(t.shape) * t.itemsize < 200e6 for t in graph.tensors)


def test_tiles_are_whole_cut_and_grown(random_layers):
    graph = random_layers.imported.graph
    regions = draw_regions(graph, np.random.default_rng(8), 8)
    convs = [
        t
        for t in graph.tensors
        if t.id in regions and t.axes.h is not None and t.shape[t.axes.h] > 16
    ]
    assert convs
    for tensor in convs:
        assert regions[tensor.id][0] == whole(tensor.shape)
        assert all(whole(tensor.shape).contains(r) and not r.is_empty for r in regions[tensor.id])
    heights = {r.shape[t.axes.h] / t.shape[t.axes.h] for t in convs for r in regions[t.id]}
    assert len(heights) > 20
    assert min(heights) < 0.2


def test_known_configurations_are_not_drawn_again(random_layers):
    known = set()
    first = list(sample_tiles(random_layers, np.random.default_rng(1), 3, known))
    assert len({p.work for p in first}) == len(first)
    assert {p.work for p in first} <= known
    again = list(sample_tiles(random_layers, np.random.default_rng(1), 3, known))
    assert not {p.work for p in again} & {p.work for p in first}


@pytest.mark.parametrize("scheme", ["InH", "OutC", "2D-grid"])
def test_records_are_those_of_the_planner(small_subject, scheme):
    imported = small_subject.imported
    graph = imported.graph
    geometry = uniform_plan(graph, ClusterSpec(4), scheme).geometry(graph)
    compared = 0
    for layer in graph.layers:
        for board in range(4):
            tiles = layer_tiles(geometry, layer, board)
            planned = tile_work(graph, layer, tiles, (4, 2.0, "pi"))
            record = tile_record(imported, layer, tiles, Facts())
            assert (planned is None) == (record is None)
            if planned is not None:
                assert record == tile_configuration(planned)
                compared += 1
    assert compared > len(graph.layers)


def test_functions_read_and_write_what_their_records_say(random_layers):
    for program in drawn(random_layers, 11, cuts=2):
        main = program.module["main"]
        sizes = [nbytes(p.checked_type) for p in main.params]
        weights = sum(sizes[k] for k in program.weights)
        small = program.work.bytes_weights - weights
        assert 0 <= small <= 4096, program.work  # constants that stayed constants
        assert sum(sizes) - weights == program.work.bytes_read, program.work
        written = sum(nbytes(field.checked_type) for field in main.body.fields)
        assert written == program.work.bytes_written, program.work


def nbytes(checked) -> int:
    return prod(int(n) for n in checked.shape) * tvm.DataType(checked.dtype).bits // 8


def test_a_tile_computes_its_part_of_the_layer(small_subject):
    """A layer with its halo, its fused operators and its residual, against the whole layer."""
    from flexpie_tvm.testing.tiles import run_module

    imported = small_subject.imported
    graph = imported.graph
    layer = next(y for y in graph.layers if len(y.ops) > 1 and "conv" in graph.ops[y.anchor].kind)
    (tensor,) = (graph.tensors[t] for t in layer.outputs)
    part = whole(tensor.shape).replace(tensor.axes.h, 3, 9)
    owned = {t: (whole(graph.tensors[t].shape),) * 2 for y in graph.layers for t in y.outputs}
    geometry = derive(graph, {**owned, tensor.id: (whole(tensor.shape), part)}, 2)
    answers = []
    rng = np.random.default_rng(2)
    values: dict[int, np.ndarray] = {}
    for board in range(2):
        tiles = layer_tiles(geometry, layer, board)
        work = tile_record(imported, layer, tiles, Facts())
        program = tile_program(imported, layer, tiles, work, "")
        reads = list(reads_of(imported, layer, tiles))
        feeds = {}
        for param, (source, region) in zip(program.module["main"].params, reads, strict=True):
            if source not in values:
                values[source] = rng.normal(size=graph.tensors[source].shape).astype("float32")
            feeds[param.name_hint] = np.ascontiguousarray(values[source][region.slices()])
        answers.append(run_module(program.module, feeds)[0])
    np.testing.assert_allclose(answers[1], answers[0][part.slices()], rtol=1e-5, atol=1e-5)


def reads_of(imported, layer, tiles):
    """Tensors and regions behind a program's parameters, in order: activations, weights."""
    inside = {t for op in layer.ops for t in imported.graph.ops[op].outputs}
    seen: dict[int, object] = {}
    for op in layer.ops:
        for tensor, region in zip(imported.graph.ops[op].inputs, tiles[op].inputs, strict=True):
            if tensor not in inside:
                seen.setdefault(tensor, region)
    big = {t for t in seen if t in imported.constants and prod(seen[t].shape) > 64}
    small = {t for t in seen if t in imported.constants} - big
    yield from ((t, r) for t, r in seen.items() if t not in big | small)
    yield from ((t, r) for t, r in seen.items() if t in big)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), boards=st.integers(2, 8))
def test_exchanges_are_partitions_and_their_records_count_all_messages(seed, boards):
    item = draw_exchange(np.random.default_rng(seed), boards, 3)
    assert item.tensor.id == 3
    assert sum(r.volume for r in item.owned) == prod(item.tensor.shape)
    links = ClusterSpec(boards).links
    record = item.record(links)
    assert record.total == sum(m.region.volume for m in item.messages) * item.tensor.itemsize > 0
    assert (record.runs >= (record.nbytes > 0)).all()
    again = draw_exchange(np.random.default_rng(seed), boards, 3)
    assert transfer_configuration(again.record(links)) == transfer_configuration(record)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), boards=st.integers(2, 8))
def test_host_transfers_move_the_whole_tensor(seed, boards):
    item = draw_host_transfer(np.random.default_rng(seed), boards)
    links: Links = ClusterSpec(boards).links
    gathered = item.host_record("gather", links)
    assert gathered.nbytes.shape == (boards, 1)
    assert gathered.total == prod(item.tensor.shape) * item.tensor.itemsize
    assert item.host_record("scatter", links).total >= gathered.total


def test_a_barrier_goes_from_everybody_to_everybody():
    pairs = {(m.source, m.target) for m in barrier(4, 0).messages}
    assert pairs == {(a, b) for a in range(4) for b in range(4) if a != b}
