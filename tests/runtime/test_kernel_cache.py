# SPDX-License-Identifier: Apache-2.0
"""Kernels that were compiled before are taken from the cache, and answer bit for bit the same."""

from __future__ import annotations

import multiprocessing
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.codegen import BuildCache
from flexpie_tvm.codegen.kernel_calls import outline_kernels
from flexpie_tvm.plan.model.plan import Choice
from flexpie_tvm.plan.model.scheme import Split
from flexpie_tvm.relay import read_plan
from flexpie_tvm.runtime import Cluster

SHAPE = (1, 3, 16, 16)


def network(seed: int) -> tvm.IRModule:
    """Convolutions of four shapes, a scale, a depthwise one, two pools, dense, softmax, a tuple."""
    rng = np.random.default_rng(seed)

    def weight(*shape):
        return relay.const((rng.normal(size=shape) / 4).astype("float32"))

    def conv(x, kernel, channels, before):
        w = weight(channels, before, kernel, kernel)
        size = (kernel, kernel)
        return relay.nn.conv2d(x, w, channels=channels, kernel_size=size, padding=kernel // 2)

    x = relay.var("x", shape=SHAPE)
    y = relay.nn.relu(relay.nn.bias_add(conv(x, 3, 16, 3), weight(16)))
    y = conv(y, 1, 64, 16) * relay.const(np.float32(0.1234567))
    y = relay.nn.conv2d(
        y, weight(64, 1, 3, 3), channels=64, kernel_size=(3, 3), padding=1, groups=64
    )
    y = relay.nn.relu(conv(y, 3, 24, 64))
    y = relay.nn.max_pool2d(y, (2, 2), (2, 2))
    y = relay.tanh(conv(y, 1, 8, 24))
    flat = relay.nn.batch_flatten(relay.nn.global_avg_pool2d(y))
    out = relay.nn.softmax(relay.nn.dense(flat, weight(10, 8)))
    return relay.transform.InferType()(
        tvm.IRModule.from_expr(relay.Function([x], relay.Tuple([y, out])))
    )


@pytest.fixture(scope="module")
def optimized(target) -> tvm.IRModule:
    return flexpie_tvm.FlexPiePreOptimize(target)(network(0))


@pytest.fixture(scope="module")
def rows(optimized) -> tvm.IRModule:
    """Cut into rows for two boards."""
    return flexpie_tvm.FlexPiePartition(2, "InH")(optimized)


@pytest.fixture(scope="module")
def plain(rows, target, tmp_path_factory):
    """Built without a cache."""
    return flexpie_tvm.build(rows, target, tmp_path_factory.mktemp("plain") / "net.flexpie")


@pytest.fixture(scope="module")
def kept(rows, target, tmp_path_factory):
    """Built into an empty cache."""
    folder = tmp_path_factory.mktemp("kept")
    cache = BuildCache(folder / "cache")
    return flexpie_tvm.build(rows, target, folder / "net.flexpie", cache=cache), cache


@pytest.fixture
def cache(kept, tmp_path) -> BuildCache:
    """A copy of the filled cache, without whole builds."""
    folder = shutil.copytree(kept[1].folder, tmp_path / "cache")
    for entry in folder.iterdir():
        if any(entry.glob("*.so")):
            shutil.rmtree(entry)
    return BuildCache(folder)


def libraries(artifact) -> list[bytes]:
    return [artifact.library(rank).read_bytes() for rank in range(artifact.boards)]


def objects(cache: BuildCache, name: str = "") -> set[str]:
    """Names of kernels that a cache holds."""
    return {path.name for path in cache.folder.glob("*/*.o") if name in path.name}


def answers(boards, artifact) -> list[np.ndarray]:
    inputs = {"x": np.random.default_rng(9).normal(size=SHAPE).astype("float32")}
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 2) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        return deployment.run(inputs)


def test_answers_are_those_of_a_build_without_a_cache(plain, kept, boards):
    artifact, cache = kept
    assert (cache.hits, cache.misses, cache.kernels_found) == (0, 1, 0)
    assert cache.kernels_compiled == len(objects(cache))
    assert len(objects(cache, "conv2d")) >= 5
    for ours, expected in zip(answers(boards, artifact), answers(boards, plain), strict=True):
        assert np.ptp(expected) > 0
        np.testing.assert_array_equal(ours, expected)


def test_kernels_that_are_found_give_the_same_libraries(rows, kept, cache, target, tmp_path):
    again = flexpie_tvm.build(rows, target, tmp_path / "again.flexpie", cache=cache)
    assert libraries(again) == libraries(kept[0])
    assert (cache.kernels_compiled, cache.kernels_found) == (0, kept[1].kernels_compiled)


def test_other_weights_need_no_other_kernels(kept, cache, target, tmp_path):
    mod = flexpie_tvm.FlexPiePreOptimize(target)(network(1))
    mod = flexpie_tvm.FlexPiePartition(2, "InH")(mod)
    other = flexpie_tvm.build(mod, target, tmp_path / "other.flexpie", cache=cache)
    assert (cache.misses, cache.kernels_compiled) == (1, 0)
    assert libraries(other) != libraries(kept[0])


def test_a_damaged_kernel_is_compiled_again(rows, kept, cache, target, tmp_path):
    victim = sorted(cache.folder.glob("*/*conv2d*.o"))[0]
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    again = flexpie_tvm.build(rows, target, tmp_path / "again.flexpie", cache=cache)
    assert libraries(again) == libraries(kept[0])
    assert cache.kernels_compiled == 1


def test_a_plan_that_differs_in_a_layer_compiles_that_layer(
    optimized, rows, cache, target, boards, tmp_path
):
    known, compiled = objects(cache), len(objects(cache))
    read = read_plan(rows)
    graph, plan = read.imported.graph, read.plan
    convs = [layer for layer in graph.layers if "conv2d" in graph.ops[layer.anchor].name]
    assert len(convs) == 5
    tensor = graph.tensors[convs[1].outputs[0]]
    blocks = tensor.shape[1]
    choice = Choice("T", "OutC", Split((1,), ((0, blocks // 2, blocks),)))
    changed = replace(plan, choices={**plan.choices, tensor.name: choice})
    mod = flexpie_tvm.FlexPiePartition(plan=changed)(optimized)
    made = flexpie_tvm.build(mod, target, tmp_path / "net.flexpie", cache=cache)
    # one convolution for both boards, and what carries its input and output
    assert len(objects(cache, "conv2d") - known) == 1
    assert len(objects(cache, "exchange") - known) <= 4
    assert 1 < cache.kernels_compiled == len(objects(cache)) - compiled < compiled / 2
    plain = flexpie_tvm.build(mod, target, tmp_path / "plain.flexpie")
    for ours, expected in zip(answers(boards, made), answers(boards, plain), strict=True):
        np.testing.assert_array_equal(ours, expected)


@tvm.instrument.pass_instrument
class Watching:
    def __init__(self):
        self.passes: set[str] = set()

    def run_before_pass(self, _mod, info):
        self.passes.add(info.name)


def test_what_a_pass_context_does_and_no_key_tells_is_built_without_the_cache(
    cache, rows, target, tmp_path
):
    watching = Watching()
    with tvm.transform.PassContext(instruments=[watching]):
        flexpie_tvm.build(rows, target, tmp_path / "watched.flexpie", cache=cache)
    assert "LowerTE" in watching.passes
    assert (cache.misses, cache.kernels_found, cache.kernels_compiled) == (0, 0, 0)


def key_of(function: relay.Function, settings: str = "") -> set[str]:
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(function))
    with tvm.transform.PassContext(opt_level=3):
        mod, _ = relay.optimize(mod, "llvm")
    return set(outline_kernels(mod, settings).keys.values())


def key_of_scaled(number: float, settings: str = "") -> set[str]:
    x = relay.var("x", shape=(4,))
    return key_of(relay.Function([x], x * relay.const(np.float32(number))), settings)


def test_keys_tell_apart_numbers_that_texts_round():
    near = np.nextafter(np.float32(0.1234567), np.float32(1))
    key = key_of_scaled(0.1234567)
    assert len(key) == 1
    assert not key & key_of_scaled(near)
    assert not key & key_of_scaled(0.1234567, "another target")
    with multiprocessing.get_context("spawn").Pool(1) as process:
        assert process.apply(key_of_scaled, (0.1234567,)) == key
