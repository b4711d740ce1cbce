# SPDX-License-Identifier: Apache-2.0
"""Folding with numpy gives what TVM gives, in less time."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import tvm
from tvm import relay
from tvm.relay.frontend import common

from flexpie_tvm.frontend.import_fold import ImportFolder
from flexpie_tvm.frontend.onnx_importer import onnx_importer
from flexpie_tvm.passes.fold import fold_constants
from flexpie_tvm.testing.onnx_networks import bert


def test_an_import_is_the_same_module(tmp_path):
    """An encoder layer: matrix products of which the importer folds shapes."""
    model = onnx.load(bert(tmp_path, layers=1, hidden=16, heads=2, tokens=4))
    plain = relay.frontend.from_onnx(model, freeze_params=True)[0]
    quick = onnx_importer().from_onnx(model, freeze_params=True)[0]
    tvm.ir.assert_structural_equal(quick, plain, map_free_vars=True)


def refuse(expr, mod=None):
    raise AssertionError(f"left to TVM: {expr}")


def test_parts_are_folded_wherever_they_are():
    x = relay.var("x", shape=(2, 6))
    three = relay.add(relay.const(1), relay.const(2))
    both = relay.Tuple([relay.nn.relu(x), relay.expand_dims(three, 0)])
    folded = ImportFolder(refuse)(both)
    tvm.ir.assert_structural_equal(folded, relay.Tuple([relay.nn.relu(x), relay.const([3])]))


def test_what_numpy_does_not_know_goes_to_tvm():
    turned = relay.reverse(relay.const(np.arange(3)), axis=0)
    folder = ImportFolder(common.fold_constant)
    np.testing.assert_array_equal(folder(turned).data.numpy(), [2, 1, 0])
    shape = common.infer_type(relay.shape_of(relay.var("x", shape=(2, 6))))
    np.testing.assert_array_equal(folder(shape).data.numpy(), [2, 6])


@pytest.mark.parametrize(
    ("begin", "end", "options"),
    [
        ([1], [3], {}),
        ([0, -2], [2, 100], {}),
        ([-1], [-100], {"strides": [-1]}),
        ([4], [0], {"strides": [-2], "axes": [1]}),
        ([1, 2], [-1, 3], {"slice_mode": "size"}),
    ],
)
def test_slices_of_constants(begin, end, options):
    value = np.arange(24).reshape(4, 6)
    sliced = relay.strided_slice(relay.const(value), begin, end, **options)
    main = relay.Function([], sliced)
    folded = fold_constants(tvm.IRModule.from_expr(main))["main"].body
    expected = relay.transform.FoldConstant()(
        relay.transform.InferType()(tvm.IRModule.from_expr(main))
    )["main"].body
    np.testing.assert_array_equal(folded.data.numpy(), expected.data.numpy())
