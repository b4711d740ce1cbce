# SPDX-License-Identifier: Apache-2.0
"""What is done before a kernel is timed alone: its tensors are as they were, and where they are."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import te

from .boards import flexpie_error

LINE = 16  # float32 numbers
LINES = 4096


def prepare(roles: str) -> str:
    return tvm.get_global_func("flexpie.between_layers")(roles)


def scattered_reads() -> tvm.runtime.Module:
    """y[i] = a number of another line of x, in an order that no prefetcher foresees."""
    x = te.placeholder((LINES * LINE,), name="x")
    y = te.compute((LINES,), lambda i: x[i * 1021 % LINES * LINE], name="y")
    return tvm.build(te.create_schedule(y.op), [x, y], "llvm", name="reads")


def test_kernels_with_equal_tensors_share_a_function():
    assert prepare("rw-") == prepare("rw-") != prepare("rr-")
    assert tvm.get_global_func(prepare("rw-")) is not None


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (700, 701)], ids=str)
def test_it_changes_no_tensor(shape):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype("float32") for _ in range(3)]
    tensors = [tvm.nd.array(value) for value in values]
    tvm.get_global_func(prepare("rw-"))(*tensors)
    for tensor, value in zip(tensors, values, strict=True):
        np.testing.assert_array_equal(tensor.numpy(), value)


def test_it_refuses_a_kernel_of_other_tensors():
    tensors = [tvm.nd.array(np.zeros(4, "float32"))] * 2
    with pytest.raises(tvm.error.TVMError) as caught:
        tvm.get_global_func(prepare("rw-"))(*tensors)
    content, sentence = flexpie_error(caught.value)
    assert content["kind"] == "table"
    assert "3 tensors, the kernel has 2" in sentence


def test_weights_are_further_away_than_what_was_just_written():
    kernel, device = scattered_reads(), tvm.cpu()
    rng = np.random.default_rng(0)
    x, y = (tvm.nd.array(rng.normal(size=n).astype("float32")) for n in (LINES * LINE, LINES))
    times = {}
    for roles in ("r-", "w-"):
        timed = kernel.time_evaluator("reads", device, repeat=101, f_preproc=prepare(roles))
        times[roles] = np.median(timed(x, y).results)
    assert times["w-"] > 1.2 * times["r-"]
