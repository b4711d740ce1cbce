# SPDX-License-Identifier: Apache-2.0
"""One network and one int8 layer do not get slower on ARM boards: their counts are recorded.

Counts are the same each time, so that three percent more are the fault of a change.
"""

from __future__ import annotations

import warnings

import pytest

from flexpie_tvm.lab.bench.networks import Network
from flexpie_tvm.lab.counting.builds import ENGINES, FLEXPIE_FP16
from flexpie_tvm.lab.counting.cpus import CPUS
from flexpie_tvm.lab.counting.guest import count
from flexpie_tvm.lab.counting.measure import count_engine, count_engines, count_tiles
from flexpie_tvm.lab.counting.profile import profile_of
from flexpie_tvm.lab.counting.subject import subject_of
from flexpie_tvm.testing.onnx_builder import OnnxBuilder

from .held import HELD, recorded, small_network

pytestmark = pytest.mark.usefixtures("counting")

ALLOWED = 0.03
ANEW = "to record them anew: python -m tests.arm.record_counts"
A72, A76 = CPUS["cortex-a72"], CPUS["cortex-a76"]


@pytest.mark.parametrize("name", HELD)
def test_it_executes_no_more_than_recorded(name, tmp_path):
    held = HELD[name]
    subject = held.subject(tmp_path)
    found = count_engine("flexpie", subject, held.cpu, tmp_path, caches=False, models=())
    now, before = found.total.instructions, recorded()[name]
    said = f"{name}: {now} instructions, {now / before - 1:+.1%} to the recorded ones; {ANEW}"
    assert found.error <= held.limit
    # It was vectors of ours that were counted: a scalar needs an instruction for each.
    assert found.total.instructions < subject.multiply_accumulates
    assert "conv2d" in " ".join(kernel.name for kernel in found.kernels)
    assert now <= (1 + ALLOWED) * before, said
    if now < (1 - ALLOWED) * before:
        warnings.warn(said, stacklevel=1)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return subject_of(Network("small", small_network(folder), {}), folder)


def test_counts_and_misses_are_the_same_each_time(small, tmp_path):
    job = ENGINES["flexpie"](small, A72, tmp_path)
    first, second = (profile_of(count(job, A72), ("cortex-a72",)) for _ in range(2))
    library = next(kernel.library for kernel in first.kernels if "conv2d" in kernel.name)
    assert first.within(library) == second.within(library)
    assert first.total.l2_misses == pytest.approx(second.total.l2_misses, rel=0.02)
    assert first.total.instructions == pytest.approx(second.total.instructions, rel=1e-4)


def test_engines_answer_alike(small, tmp_path):
    found = count_engines(("tvm", "onnxruntime", "ncnn"), small, A72, tmp_path, caches=False)
    assert not found.refused
    errors = {engine: inference.error for engine, inference in found.engines.items()}
    assert errors == pytest.approx(dict.fromkeys(errors, 0), abs=1e-3)  # ncnn computes in fp16
    assert max(errors["onnxruntime"], errors["tvm"]) < 1e-5
    for inference in found.engines.values():
        assert inference.total.instructions < small.multiply_accumulates


def test_fp16_executes_fewer_instructions_where_there_is_such_arithmetic(tmp_path):
    net = OnnxBuilder("separable")
    x = net.node("Relu", net.conv(net.input("image", (1, 3, 56, 56)), 3, 32, 3, 2))
    for inputs, outputs in ((32, 64), (64, 64)):
        x = net.node("Relu", net.conv(x, inputs, inputs, 3, groups=inputs))
        x = net.node("Relu", net.conv(x, inputs, outputs, 1))
    path = net.save(x, (1, 64, 28, 28), tmp_path / "separable.onnx")
    subject = subject_of(Network("separable", path, {}), tmp_path)
    found = count_engines(("flexpie", FLEXPIE_FP16), subject, A76, tmp_path, caches=False)
    wide, narrow = found.engines["flexpie"], found.engines[FLEXPIE_FP16]
    assert narrow.total.instructions < 0.7 * wide.total.instructions
    assert wide.error < 1e-5 < narrow.error < 1e-2
    refused = count_engines((FLEXPIE_FP16,), subject, A72, tmp_path, caches=False).refused
    assert refused[FLEXPIE_FP16].startswith("cortex-a72 has no fp16 arithmetic")


def test_an_engine_that_cannot_run_a_network_says_why(tmp_path):
    net = OnnxBuilder("uneven")
    x = net.input("image", (1, 3, 8, 8))
    y = net.node("AveragePool", x, kernel_shape=[3, 3], pads=[0, 0, 1, 1])
    path = net.save(y, (1, 3, 7, 7), tmp_path / "uneven.onnx")
    subject = subject_of(Network("uneven", path, {}), tmp_path)
    found = count_engines(("ncnn",), subject, A72, tmp_path, caches=False)
    assert not found.engines
    assert found.refused["ncnn"] == "ncnn on aarch64 failed: ncnn does not load what pnnx converted"


def test_boards_that_share_a_network_compute_about_as_much_as_one(small, tmp_path):
    tiles = count_tiles(small, A72, tmp_path, 2, ("InH",)).tiles
    (whole,) = tiles["Single"]
    assert len(tiles["InH"]) == 2
    assert min(tiles["InH"]) > 0.3 * whole
    assert 0.9 * whole < sum(tiles["InH"]) < 1.5 * whole
