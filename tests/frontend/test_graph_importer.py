# SPDX-License-Identifier: Apache-2.0
"""A node that is converted to another type than ONNX's is refused where it stands."""

from __future__ import annotations

import onnx.parser
import pytest
from onnx import TensorProto, helper
from tvm import relay

from flexpie_tvm.errors import ModelError
from flexpie_tvm.frontend.graph_importer import checked_result
from flexpie_tvm.frontend.node_order import Step
from flexpie_tvm.frontend.onnx_model import import_onnx

STEP = Step(helper.make_node("Relu", ["x"], ["y"], "third"), 17)
X = relay.var("x", shape=(1, 3), dtype="float32")


def kind(*dims, dtype=TensorProto.FLOAT):
    return helper.make_tensor_type_proto(dtype, dims)


def test_a_result_of_the_right_type_is_kept():
    for same in (kind(1, 3), kind("n", 3), None):
        assert checked_result(STEP, "y", X, same).same_as(X)


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        (kind(1, 4), r"float32 \[1, 4\]"),
        (kind(3), r"float32 \[3\]"),
        (kind(1, 3, dtype=TensorProto.INT64), r"int64 \[1, 3\]"),
    ],
)
def test_another_type_is_refused_by_name(other, wanted):
    reason = rf"Relu 'third'.*'y' became float32 \[1, 3\], ONNX says {wanted}"
    with pytest.raises(ModelError, match=reason):
        checked_result(STEP, "y", X, other)


def test_one_element_may_have_any_number_of_axes():
    one = relay.var("x", shape=(1,), dtype="float32")
    scalar = checked_result(STEP, "y", one, kind())
    assert list(relay.transform.InferTypeLocal(scalar).shape) == []


def test_a_parameter_that_varies_is_named_as_the_reason():
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 14]>
        sums (float[3,4] x, int32 axis) => (float[3,4] y) { y = CumSum(x, axis) }"""
    )
    with pytest.raises(ModelError, match=r"CumSum 'y'.*must be a constant, but depends on data"):
        import_onnx(model, {"x": (3, 4), "axis": ()}, "sums")
