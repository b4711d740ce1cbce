# SPDX-License-Identifier: Apache-2.0
"""What is built twice is taken from the cache, byte for byte, and nothing else is."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.codegen.build_cache import BuildCache, user_cache
from flexpie_tvm.codegen.build_key import build_key
from flexpie_tvm.runtime import build_whole

KEY = "k"


def convolution(seed: int) -> tvm.IRModule:
    weight = np.random.default_rng(seed).normal(size=(4, 3, 3, 3)).astype("float32")
    x = relay.var("x", shape=(1, 3, 8, 8))
    conv = relay.nn.conv2d(x, relay.const(weight), padding=(1, 1), channels=4, kernel_size=(3, 3))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], conv)))


def annotated(seed: int, boards: int = 2) -> tvm.IRModule:
    return flexpie_tvm.FlexPiePartition(boards, "InH")(convolution(seed))


def libraries(artifact):
    return [path.read_bytes() for path in sorted(artifact.path.glob("board*.so"))]


def written(folder, text="library", name="board0.so"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_an_equal_model_is_taken_and_another_is_built(target, tmp_path):
    cache = BuildCache(tmp_path / "cache")

    def built(mod, name):
        return libraries(flexpie_tvm.build(mod, target, tmp_path / name, cache=cache))

    first = built(annotated(0), "a.flexpie")
    assert len(first) == 2
    assert (cache.hits, cache.misses) == (0, 1)
    assert built(annotated(0), "b.flexpie") == first
    assert (cache.hits, cache.misses) == (1, 1)
    assert built(annotated(1), "c.flexpie") != first  # other weights alone
    assert (cache.hits, cache.misses) == (1, 2)


def test_one_board_s_libraries_are_taken_and_others_are_built(target, tmp_path):
    cache = BuildCache(tmp_path / "cache")

    def built(mod, name, cpu=target):
        folder = tmp_path / name
        folder.mkdir()
        whole = build_whole(mod, mod, cpu, Path("model.onnx"), folder, cache)
        return whole.library.read_bytes(), *libraries(whole.artifact)

    first = built(convolution(0), "a")
    assert (cache.hits, cache.misses) == (0, 2)
    assert built(convolution(0), "b") == first
    assert (cache.hits, cache.misses) == (2, 2)
    others = built(convolution(1), "c")
    assert all(other != one for other, one in zip(others, first, strict=True))
    built(convolution(0), "d", "llvm -mcpu=nehalem")
    assert (cache.hits, cache.misses) == (2, 6)


def test_keys_tell_apart_what_decides_code(target):
    boards = flexpie_tvm.relay.lower(annotated(0)).boards
    targets = [tvm.target.Target(target)] * 2
    key = build_key(boards, targets, [None, None], None)
    assert key == build_key(
        flexpie_tvm.relay.lower(annotated(0)).boards, targets, [None, None], None
    )
    others = {
        build_key(boards, [tvm.target.Target("llvm -mcpu=nehalem")] * 2, [None, None], None),
        build_key(boards, targets, ["g++", None], None),
        build_key(boards, targets, [None, None], {"a": "b"}),
        build_key(boards[:1], targets[:1], [None], None),
    }
    with tvm.transform.PassContext(opt_level=1):
        others.add(build_key(boards, targets, [None, None], None))
    assert len(others - {key}) == 5


@pytest.mark.parametrize("damage", ["shorter", "changed", "gone", "no sums", "odd sums"])
def test_a_damaged_entry_is_made_again(damage, tmp_path):
    cache, path = BuildCache(tmp_path / "cache"), written(tmp_path / "made")
    cache.keep(KEY, [path])
    entry = cache.folder / KEY
    file, sums = entry / "board0.so", entry / "sums.json"
    if damage == "gone":
        file.unlink()
    elif damage == "no sums":
        sums.unlink()
    elif damage == "odd sums":
        sums.write_text("3")
    else:
        file.write_text("libr" if damage == "shorter" else "Library")
    out = tmp_path / "out"
    out.mkdir()
    assert cache.take(KEY, out) is None
    cache.keep(KEY, [path])
    (taken,) = cache.take(KEY, out)
    assert taken.read_text() == "library"
    assert (cache.hits, cache.misses) == (1, 1)


def test_what_was_used_longest_ago_goes_first(tmp_path):
    path = written(tmp_path / "made", "x" * 1000)
    cache = BuildCache(tmp_path / "cache", limit=2500)
    for age, key in enumerate("ab"):
        cache.keep(key, [path])
        os.utime(cache.folder / key, (age, age))
    out = tmp_path / "out"
    out.mkdir()
    assert cache.take("a", out)
    cache.keep("c", [path])
    assert {entry.name for entry in cache.folder.iterdir()} == {"a", "c"}
    assert 2000 <= cache.size() <= 2500
    cache.clear()
    assert cache.size() == 0


def _keep_many(folder, path):
    for number in range(20):
        BuildCache(folder).keep(str(number), [path])


def test_processes_keep_the_same_entries_at_once(tmp_path):
    path, folder = written(tmp_path / "made"), tmp_path / "cache"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_keep_many, args=(folder, path)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    cache = BuildCache(folder)
    assert {entry.name for entry in folder.iterdir()} == {str(n) for n in range(20)}
    assert all(cache.take(str(number), tmp_path) for number in range(20))


def test_the_user_s_cache_is_where_the_environment_says(tmp_path):
    assert user_cache({"XDG_CACHE_HOME": str(tmp_path)}).folder == tmp_path / "flexpie_tvm"
    assert user_cache({}).folder.parts[-2:] == (".cache", "flexpie_tvm")
    assert user_cache({"FLEXPIE_CACHE": "0"}) is None
