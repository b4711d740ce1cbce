# SPDX-License-Identifier: Apache-2.0
"""What a module has beside a main function of data flow: weights as inputs, other functions."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import tvm
from onnx import numpy_helper
from tvm import relay

import flexpie_tvm
from flexpie_tvm.errors import InputError, ModelError
from flexpie_tvm.relay import import_module
from flexpie_tvm.testing import emulate

from .text import parse

FUNCTIONS = """
def @helper(%y: Tensor[(3), float32]) -> Tensor[(3), float32] { nn.relu(%y) }

def @main(%x: Tensor[(1, 4, 8, 8), float32], %w: Tensor[(6, 4, 3, 3), float32]) {
  %0 = nn.conv2d(%x, %w, padding=[1, 1, 1, 1], channels=6, kernel_size=[3, 3]);
  nn.relu(%0)
}
"""


def conv_model(weight: np.ndarray) -> onnx.ModelProto:
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "conv",
        [onnx.helper.make_tensor_value_info("x", 1, [1, 4, 8, 8])],
        [onnx.helper.make_tensor_value_info("y", 1, [1, 6, 8, 8])],
        [numpy_helper.from_array(weight, "w")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])


def test_params_of_tvms_importer_become_constants():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(6, 4, 3, 3)).astype("float32")
    image = rng.normal(size=(1, 4, 8, 8)).astype("float32")
    mod, params = relay.frontend.from_onnx(conv_model(weight), freeze_params=False)
    bound = flexpie_tvm.bind_params(mod, params)
    assert [p.name_hint for p in bound["main"].params] == ["x"]
    lowered = flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(3, "OutC")(bound))
    (answer,) = emulate(lowered.plan, bound, {"x": image})
    padded = np.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    expected = np.einsum("ncyxij,ocij->noyx", windows, weight)
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)


def test_names_that_the_module_does_not_have_are_left_alone():
    mod = parse(FUNCTIONS)
    bound = flexpie_tvm.bind_params(mod, {"unused": np.zeros(3, "float32")})
    assert [p.name_hint for p in bound["main"].params] == ["x", "w"]


@pytest.mark.parametrize("wrong", [np.zeros((6, 4, 1, 1), "float32"), np.zeros((6, 4, 3, 3))])
def test_an_array_that_does_not_fit_is_named(wrong):
    with pytest.raises(InputError, match=r"params has 'w' of .*, the module wants float32 \[6, 4"):
        flexpie_tvm.bind_params(parse(FUNCTIONS), {"w": wrong})


def test_other_functions_and_attributes_are_kept():
    mod = parse(FUNCTIONS)
    main = mod["main"].with_attr("mine", "kept")
    mod.update_func(mod.get_global_var("main"), main)
    weight = np.random.default_rng(1).normal(size=(6, 4, 3, 3)).astype("float32")
    done = flexpie_tvm.bind_params(mod, {"w": weight})
    done = flexpie_tvm.FlexPiePreOptimize("llvm -mcpu=skylake-avx512")(done)
    done = flexpie_tvm.FlexPiePartition(2, "InH")(done)
    assert tvm.ir.structural_equal(done["helper"], mod["helper"])
    assert done["main"].attrs["mine"] == "kept"
    assert "flexpie.partition" in done["main"].astext(show_meta_data=False)


def test_a_called_function_is_refused_by_name():
    text = FUNCTIONS.replace("nn.relu(%0)\n", "@helper(%0)\n").replace("(3)", "(1, 6, 8, 8)")
    with pytest.raises(ModelError, match="calls the function 'helper': inline it"):
        import_module(parse(text))
