# SPDX-License-Identifier: Apache-2.0
"""A node that is converted to another type than ONNX's is refused where it stands."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper
from tvm import relay

from flexpie_tvm.errors import ModelError
from flexpie_tvm.frontend.graph_importer import checked_result
from flexpie_tvm.frontend.node_order import Step

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
