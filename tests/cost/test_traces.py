# SPDX-License-Identifier: Apache-2.0
"""A trace store gives back what was put in, and says so when it cannot."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flexpie_tvm.cost import Links, TileWork, Transfer
from flexpie_tvm.cost.traces import (
    ModelTrace,
    Setting,
    TileTrace,
    TransferTrace,
    append_models,
    append_tiles,
    append_transfers,
    read_models,
    read_tiles,
    read_transfers,
    tile_configuration,
    transfer_configuration,
)
from flexpie_tvm.errors import CostError

HERE = Setting("pi4", "llvm -mcpu=cortex-a72", "0.19.0", 4)
COUNT = st.integers(0, 2**62)
SIZE = st.integers(0, 4096)
TIME = st.floats(1e-6, 1e6)
WINDOW = st.lists(SIZE, max_size=4).map(tuple)
SHAPE = st.tuples(SIZE, SIZE, SIZE)
WORKS = st.builds(
    TileWork,
    kind=st.sampled_from(["nn.conv2d", "nn.dense", "add"]),
    conv_type=st.sampled_from(["conv", "matmul", "elementwise"]),
    in_hwc=SHAPE,
    out_hwc=SHAPE,
    kernel=WINDOW,
    strides=WINDOW,
    padding=WINDOW,
    dilation=WINDOW,
    groups=SIZE,
    dtype=st.sampled_from(["float32", "int8"]),
    flops=COUNT,
    bytes_read=COUNT,
    bytes_weights=COUNT,
    bytes_written=COUNT,
    ops=SIZE,
    nodes=st.integers(1, 64),
    speed=TIME,
    board_kind=st.text(max_size=4),
    layer=st.text(max_size=4),
)


@st.composite
def transfers(draw):
    """Any transfer between up to five boards."""
    boards = draw(st.integers(1, 5))
    kind = draw(st.sampled_from(["exchange", "scatter", "gather"]))
    shape = {"exchange": (boards, boards), "scatter": (1, boards), "gather": (boards, 1)}[kind]
    count = shape[0] * shape[1]
    matrices = [
        np.array(draw(st.lists(COUNT, min_size=count, max_size=count)), dtype=np.int64)
        for _ in range(2)
    ]
    rates = st.lists(TIME, min_size=boards, max_size=boards).map(tuple)
    links = draw(
        st.builds(
            Links,
            topology=st.sampled_from(["mesh", "ring", "ps", "shared"]),
            bandwidth=rates,
            latency=rates,
            server=SIZE,
            host_bandwidth=TIME,
            host_latency=TIME,
        )
    )
    return Transfer(kind, *(m.reshape(shape) for m in matrices), links, draw(st.text(max_size=4)))


def measured(what, ms=1.5):
    return what, ms, 0.02, 7, "sampler", HERE


@settings(max_examples=25, deadline=None)
@given(works=st.lists(WORKS, max_size=8), batch=st.integers(1, 3))
def test_tiles_come_back_as_they_were(tmp_path_factory, works, batch):
    store = tmp_path_factory.mktemp("store")
    traces = [TileTrace(*measured(work, ms=1.0 + k)) for k, work in enumerate(works)]
    for start in range(0, len(traces), batch):
        append_tiles(store, traces[start : start + batch])
    assert read_tiles(store) == traces


@settings(max_examples=25, deadline=None)
@given(items=st.lists(transfers(), max_size=4))
def test_transfers_come_back_as_they_were(tmp_path_factory, items):
    store = tmp_path_factory.mktemp("store")
    append_transfers(store, [TransferTrace(*measured(item)) for item in items])
    back = read_transfers(store)
    assert [transfer_configuration(t.transfer) for t in back] == [
        transfer_configuration(item) for item in items
    ]
    for trace, item in zip(back, items, strict=True):
        assert trace.transfer.nbytes.shape == item.nbytes.shape
        assert (trace.transfer.tensor, trace.transfer.links) == (item.tensor, item.links)
        assert (trace.ms, trace.spread, trace.repeats, trace.setting) == (1.5, 0.02, 7, HERE)


@settings(max_examples=20, deadline=None)
@given(works=st.lists(WORKS, max_size=4))
def test_models_come_back_as_they_were(tmp_path_factory, works):
    store = tmp_path_factory.mktemp("store")
    trace = ModelTrace(*measured(tuple(works)))
    append_models(store, [trace])
    append_models(store, [trace])
    assert read_models(store) == [trace, trace]
    assert read_tiles(store) == []


@given(work=WORKS)
def test_a_configuration_does_not_say_who_asks(work):
    asked = replace(work, nodes=work.nodes + 1, speed=2.0, board_kind="other", layer="conv2d_9")
    assert tile_configuration(asked) == tile_configuration(work)
    grown = replace(work, flops=work.flops + 1)
    assert tile_configuration(grown) != tile_configuration(work)


def _one_tile(store):
    work = TileWork(
        "nn.dense",
        "matmul",
        (1, 1, 8),
        (1, 1, 4),
        (),
        (),
        (),
        (),
        1,
        "float32",
        64,
        32,
        128,
        16,
        1,
        1,
    )
    append_tiles(store, [TileTrace(*measured(work))])
    (part,) = (store / "tiles").iterdir()
    return part


def test_appending_nothing_makes_no_file(tmp_path):
    append_tiles(tmp_path / "store", [])
    assert not (tmp_path / "store").exists()


def test_a_store_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CostError, match="missing' is not a folder: 'flexpie profile' makes one"):
        read_tiles(tmp_path / "missing")


def test_a_torn_file_is_damaged(tmp_path):
    part = _one_tile(tmp_path)
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(CostError, match=f"{part.name}' is damaged: delete it"):
        read_tiles(tmp_path)


def test_a_foreign_file_is_said_to_be(tmp_path):
    part = _one_tile(tmp_path)
    pq.write_table(pa.table({"ms": [1.0]}), part)
    with pytest.raises(CostError, match="was not written by 'flexpie profile'"):
        read_tiles(tmp_path)


def test_transfers_among_tiles_are_foreign(tmp_path):
    part = _one_tile(tmp_path)
    (tmp_path / "transfers").mkdir()
    part.rename(tmp_path / "transfers" / part.name)
    with pytest.raises(CostError, match="was not written by 'flexpie profile'"):
        read_transfers(tmp_path)


def test_another_version_is_refused(tmp_path):
    part = _one_tile(tmp_path)
    table = pq.read_table(part)
    meta = {b"flexpie_traces": b'{"kind": "tiles", "version": 99}'}
    pq.write_table(table.replace_schema_metadata(meta), part)
    with pytest.raises(CostError, match="is version 99, this flexpie reads version 4"):
        read_tiles(tmp_path)


def test_a_column_that_is_gone_is_damage(tmp_path):
    part = _one_tile(tmp_path)
    pq.write_table(pq.read_table(part).drop_columns(["flops"]), part)
    with pytest.raises(CostError, match="is damaged"):
        read_tiles(tmp_path)
