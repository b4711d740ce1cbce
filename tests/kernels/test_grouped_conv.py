# SPDX-License-Identifier: Apache-2.0
"""Our kernel of grouped convolutions: answers of TVM's, whatever the sizes."""

import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relay, te
from tvm.contrib import graph_executor

import flexpie_tvm
from flexpie_tvm.kernels.context import build_context, stock_context
from flexpie_tvm.kernels.grouped_conv import convolution
from flexpie_tvm.kernels.grouped_schedule import schedule_convolution
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.machine import NEON
from flexpie_tvm.runtime import Cluster, relative_error

from .blocked import ARM, compiled, convolved, lane_products, result, spread_numbers

#: Batch, groups, channels of a group in and out, rows, columns; window, stride, padding, dilation.
CASES = {
    "resnext": (1, 4, 4, 4, 14, 14, (3, 3), 1, 1, 1),
    "wide groups": (1, 2, 20, 33, 13, 13, (3, 3), 1, 1, 1),
    "alexnet": (1, 2, 5, 8, 27, 27, (5, 5), 1, 2, 1),
    "shufflenet": (1, 3, 8, 20, 28, 28, (1, 1), 1, 0, 1),
    "one pixel": (1, 3, 8, 7, 1, 1, (1, 1), 1, 0, 1),
    "one result": (1, 3, 8, 9, 3, 3, (3, 3), 1, 0, 1),
    "one column": (1, 3, 2, 9, 37, 1, (3, 1), 1, (1, 0), 1),
    "one channel": (1, 8, 1, 3, 9, 7, (3, 3), 1, 1, 1),
    "odd": (1, 5, 3, 7, 37, 53, (3, 3), 1, 1, 1),
    "few pixels": (1, 4, 6, 9, 3, 5, (3, 3), 1, 1, 1),
    "batch": (3, 2, 6, 9, 8, 11, (3, 3), 1, 1, 1),
    "batch of points": (3, 2, 6, 9, 1, 1, (1, 1), 1, 0, 1),
    "stride": (1, 4, 4, 6, 15, 22, (3, 3), 2, 1, 1),
    "strides": (1, 4, 4, 6, 15, 22, (3, 3), (2, 1), 1, 1),
    "other strides": (2, 4, 4, 6, 15, 22, (2, 3), (1, 3), (0, 1), 1),
    "pointwise with gaps": (1, 4, 4, 6, 15, 22, (1, 1), (4, 4), 0, 1),
    "window with gaps": (1, 2, 4, 6, 17, 22, (2, 2), (3, 4), 0, 1),
    "dilation": (1, 2, 4, 6, 17, 22, (3, 3), 1, 2, 2),
    "dilation and stride": (1, 2, 4, 6, 17, 22, (3, 3), (3, 2), (2, 1), (2, 3)),
    "uneven padding": (1, 2, 4, 6, 10, 9, (3, 3), 1, (0, 1, 2, 3), 1),
    "padding of a point": (1, 2, 4, 6, 5, 6, (1, 1), 1, (0, 2, 1, 0), 1),
    "padding before gaps": (1, 2, 4, 6, 9, 12, (3, 3), 2, (0, 1, 1, 0), 1),
    "many pixels": (1, 2, 2, 9, 64, 64, (1, 1), 1, 0, 1),
    "one group": (1, 1, 5, 18, 14, 9, (3, 3), 1, 1, 1),
    "one group of points": (2, 1, 5, 18, 14, 9, (1, 1), 1, 0, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_answers_are_those_of_tvm(name, target):
    _check(CASES[name], target)


@pytest.mark.parametrize("cpu", ["haswell", "x86-64"])
@pytest.mark.parametrize("name", ["odd", "stride", "shufflenet"])
def test_vectors_of_any_width(name, cpu):
    _check(CASES[name], f"llvm -mcpu={cpu}")


@pytest.mark.parametrize("name", CASES)
def test_answers_of_its_form_for_arm_are_numpys(name):
    """Its schedule with the code of this machine; vectors are read as they are for NEON."""
    schedule, args, feeds, expected = _arm_kernel(CASES[name])
    found = result(compiled(schedule, args), feeds, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["resnext", "wide groups", "alexnet", "shufflenet", "stride"])
def test_filters_multiply_lane_by_lane_on_arm(name):
    schedule, args, *_ = _arm_kernel(CASES[name])
    assembly = compiled(schedule, args, ARM).get_source("asm")
    assert lane_products(assembly) >= 20
    assert spread_numbers(assembly) == 0


def _arm_kernel(case: tuple):
    """Schedule and tensors for NEON, what they are fed, and what numpy answers."""
    batch, groups, ins, outs, rows, columns, window, strides, padding, dilation = case
    strides, dilation = ((n, n) if isinstance(n, int) else n for n in (strides, dilation))
    padding = (padding,) if isinstance(padding, int) else padding
    padding = (padding * 4)[:4] if len(padding) < 4 else padding
    rng = np.random.default_rng(rows * columns)
    image = rng.standard_normal((batch, groups * ins, rows, columns), dtype="float32")
    weights = rng.standard_normal((groups * outs, ins, *window), dtype="float32")
    x, w = te.placeholder(image.shape, name="x"), te.placeholder(weights.shape, name="w")
    y = convolution(x, w, strides, padding, dilation, groups, unit=NEON)
    parts = zip(np.split(image, groups, 1), np.split(weights, groups), strict=True)
    answers = [convolved(*part, strides, padding, dilation) for part in parts]
    return schedule_convolution([y]), [x, w, y], [image, weights], np.concatenate(answers, 1)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_convolution_in_groups(data):
    draw = data.draw
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    least = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    size = [n + draw(st.integers(0, 30)) for n in least]
    case = (
        draw(st.integers(1, 2)), draw(st.integers(2, 5)), draw(st.integers(1, 9)),
        draw(st.integers(1, 20)), *size, window, draw(st.tuples(*[st.integers(1, 4)] * 2)),
        draw(st.tuples(*[st.integers(0, 3)] * 4)), dilation,
    )  # fmt: skip
    _check(case, "llvm")


@pytest.mark.parametrize("scheme", ["InH", "OutC", "2D-grid"])
def test_boards_compute_parts_of_it(scheme, target, boards, tmp_path):
    """Boards share groups, or the filters of one: then a tile is a plain convolution."""
    mod, image = _module((1, 2, 8, 6, 13, 11, (3, 3), 1, 1, 1))
    expected = _answer(mod, target, image, stock_context())
    mod = flexpie_tvm.FlexPiePreOptimize(target)(mod)
    mod = flexpie_tvm.FlexPiePartition(flexpie_tvm.ClusterSpec(3), scheme)(mod)
    artifact = flexpie_tvm.build(mod, target, tmp_path / "grouped.flexpie")
    tracker = boards.host, boards.port
    with Cluster.connect(tracker, boards.key, 3) as cluster, cluster.deploy(artifact) as deployed:
        (answer,) = deployed.run({"x": image})
    assert relative_error(answer, expected) < 1e-5


def _module(case: tuple) -> tuple[tvm.IRModule, np.ndarray]:
    """A convolution with bias and activation, and an image for it."""
    batch, groups, ins, outs, rows, columns, window, strides, padding, dilation = case
    rng = np.random.default_rng(rows * columns)
    weight = rng.standard_normal((groups * outs, ins, *window), dtype="float32")
    x = relay.var("x", shape=(batch, groups * ins, rows, columns))
    conv = relay.nn.conv2d(
        x, relay.const(weight), strides, padding, dilation, groups, groups * outs, window
    )
    bias = relay.const(rng.standard_normal(groups * outs, dtype="float32"))
    function = relay.Function([x], relay.nn.relu(relay.nn.bias_add(conv, bias)))
    image = rng.standard_normal((batch, groups * ins, rows, columns), dtype="float32")
    return relay.transform.InferType()(tvm.IRModule.from_expr(function)), image


def _check(case: tuple, target: str) -> None:
    mod, image = _module(case)
    expected = _answer(mod, target, image, stock_context())
    found = _answer(mod, keyed(target), image, build_context(laid_out=True))
    scale = np.abs(expected).max() or 1
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * scale)


def _answer(mod: tvm.IRModule, target, image: np.ndarray, context) -> np.ndarray:
    with context:
        library = relay.build(mod, target)
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    module.run(x=image)
    return module.get_output(0).numpy()
