# SPDX-License-Identifier: Apache-2.0
"""Cost models as files: the same answers after loading, one sentence for any other file."""

import gzip
import hashlib
import json

import numpy as np
import pytest

from flexpie_tvm.cost import Learned, load_cost, save_cost
from flexpie_tvm.cost.estimator import Estimator
from flexpie_tvm.cost.features import TILE_LAYOUT, tile_key, tile_rows
from flexpie_tvm.cost.rows import RowLayout
from flexpie_tvm.cost.step_features import STEP_COLUMNS
from flexpie_tvm.errors import CostError

from .machine import random_tile, random_transfer, tile_ms, traces


@pytest.fixture
def path(learned, tmp_path):
    path = tmp_path / "board.cost"
    save_cost(learned, path)
    return path


def changed(path, change, keep_checksum=False):
    """The file with one thing changed."""
    whole = json.loads(gzip.decompress(path.read_bytes()))
    change(whole)
    if not keep_checksum:
        text = json.dumps(whole["content"], sort_keys=True)
        whole["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return written(path, whole)


def written(path, whole):
    path.write_bytes(gzip.compress(json.dumps(whole).encode()))
    return path


def test_a_loaded_model_gives_the_same_answers(learned, path):
    loaded, rng = load_cost(path), np.random.default_rng(2)
    tiles = [random_tile(rng) for _ in range(100)]
    moved = [random_transfer(rng, kind) for kind in ("exchange", "scatter", "gather")]
    assert loaded.compute(tiles).tolist() == learned.compute(tiles).tolist()
    assert loaded.exchange(moved).tolist() == learned.exchange(moved).tolist()
    assert loaded.floor(tiles[0], (1.0, 2.0)) == learned.floor(tiles[0], (1.0, 2.0))
    assert loaded.origin == learned.origin
    assert loaded.origin.metrics["conv"]["mape"] > 0
    assert (loaded.name, loaded.figures) == (learned.name, learned.figures)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_missing_and_foreign_files(path, tmp_path):
    with pytest.raises(CostError, match=r"none\.cost' cannot be read: No such file"):
        load_cost(tmp_path / "none.cost")
    foreign = (b"", b"{", b"[]", b"3", b"\xff\xfe\x00", b'{"format": "other"}')
    for content in (*foreign, *map(gzip.compress, foreign)):
        path.write_bytes(content)
        with pytest.raises(CostError, match="is not one that 'flexpie train' wrote"):
            load_cost(path)


@pytest.mark.parametrize("version", [8, 10, "9", None])
def test_another_version_is_named(path, version):
    changed(path, lambda whole: whole.update(version=version))
    with pytest.raises(CostError, match=f"is version {version}, this flexpie reads version 9"):
        load_cost(path)


def test_half_a_file(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CostError, match=r"board\.cost"):
        load_cost(path)


def test_a_changed_figure_is_noticed(path):
    changed(path, lambda w: w["content"]["figures"].update(gflops=1.0), keep_checksum=True)
    with pytest.raises(CostError, match="is damaged"):
        load_cost(path)


def test_a_model_of_fewer_features_is_still_read(learned, tmp_path):
    """As one trained before some of them were known."""
    short = RowLayout(
        tuple(c for c in TILE_LAYOUT.columns if c not in STEP_COLUMNS),
        TILE_LAYOUT.growing,
        TILE_LAYOUT.terms[:-1],
        TILE_LAYOUT.covered,
        TILE_LAYOUT.roof,
    )
    tiles = [t.work for t in traces(400, 0)[0] if t.work.conv_type == "conv"]
    rows = tile_rows([tile_key(tile) for tile in tiles], learned.unit)
    old = Estimator.fit(rows.under(short), np.array([tile_ms(tile) for tile in tiles]), 20)
    made = Learned({"conv": old}, learned.transfers, learned.figures, learned.origin, learned.unit)
    save_cost(made, tmp_path / "old.cost")
    loaded = load_cost(tmp_path / "old.cost")
    assert loaded.tiles["conv"].layout == short
    assert loaded.compute(tiles).tolist() == old.predict(rows.under(short)).tolist()
    assert loaded.floor(tiles[0], (1.0,)) > 0


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["tiles"]["conv"].pop("rates"),
        lambda c: c["tiles"]["conv"].update(trees=""),
        lambda c: c["tiles"]["conv"].update(trees={}),
        lambda c: c["tiles"]["conv"]["trees"]["left"].pop(),
        lambda c: c["tiles"]["conv"].update(trees=c["transfers"]["exchange"]["trees"]),
        lambda c: c["tiles"]["conv"].pop("least"),
        lambda c: c["tiles"]["conv"]["least"].update({"": -1.0}),
        lambda c: c["tiles"]["conv"]["least"].update(other=1.0),
        lambda c: c["tiles"]["conv"]["layout"].pop("growing"),
        lambda c: c["tiles"]["conv"]["layout"].update(columns=["rows"]),
        lambda c: c["tiles"]["conv"]["layout"]["columns"].pop(),
        lambda c: c["tiles"]["conv"]["coefficients"].pop(""),
        lambda c: c["tiles"]["conv"]["coefficients"][""].pop(),
        lambda c: c["tiles"]["conv"]["coefficients"].update({"": [-1.0] * 19}),
        lambda c: c["setting"].pop("target"),
        lambda c: c.update(networks=3),
        lambda c: c.update(tiles=None),
    ],
)
def test_content_that_contradicts_itself(path, change):
    changed(path, lambda whole: change(whole["content"]))
    with pytest.raises(CostError, match=r"cost model '.*board\.cost'"):
        load_cost(path)
