# SPDX-License-Identifier: Apache-2.0
"""Cases of the standard's suite whose small inputs are weights, as they are in most files.

``benchmarks/onnx_whole.py`` tries all of them.
"""

from __future__ import annotations

from functools import cache

import pytest
from onnx.backend.test.loader import load_model_tests

from flexpie_tvm.testing.whole_cases import outcome, whole_case

RIGHT = (
    "ai_onnx_ml_array_feature_extractor",
    "clip_default_min",
    "col2im_5d",
    "constant_pad_axes",
    "deform_conv_with_mask_bias",
    "dequantizelinear_blocked",
    "dft_axis",
    "gather_elements_negative_indices",
    "hammingwindow_symmetric",
    "loop11",
    "lstm_with_peepholes",
    "melweightmatrix",
    "nllloss_NCd1d2d3_sum_weight_high_ii",
    "onehot_negative_indices",
    "qlinearmatmul_2D_uint8_float16",
    "quantizelinear_blocked_asymmetric",
    "range_float_type_positive_delta",
    "reduce_l2_keep_dims_random",
    "resize_upsample_sizes_nearest_axes_2_3",
    "scatternd_add",
    "sce_NCd1_mean_weight_negative_ii_log_prob",
    "split_variable_parts_2d_opset18",
    "top_k_smallest",
)
#: Of these all inputs vary in both forms.
WHOLE = ("ai_onnx_ml_binarizer", "det_nd", "if", "scan9_sum", "scan_sum")


@cache
def cases() -> dict:
    return {case.name.removeprefix("test_"): case for case in load_model_tests(kind="node")}


@pytest.mark.parametrize("name", RIGHT)
def test_frozen_inputs_are_read_as_the_standard_says(name):
    case = whole_case(cases()[name], frozen=True)
    assert len(case.inputs) < len(case.model.graph.input)
    assert outcome(case) == ("right", "")


@pytest.mark.parametrize("name", WHOLE)
def test_operators_of_data_alone_are_read_as_the_standard_says(name):
    assert outcome(whole_case(cases()[name], frozen=True)) == ("right", "")


def test_numbers_that_only_the_data_know_are_refused():
    what, why = outcome(whole_case(cases()["nonmaxsuppression_two_classes"], frozen=True))
    assert what == "refused"
    assert "'boxes', 'scores'" in why
