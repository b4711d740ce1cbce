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
    "clip_default_min",
    "constant_pad_axes",
    "dft_axis",
    "gather_elements_negative_indices",
    "lstm_with_peepholes",
    "onehot_negative_indices",
    "reduce_l2_keep_dims_random",
    "resize_upsample_sizes_nearest_axes_2_3",
    "scatternd_add",
    "split_variable_parts_2d_opset18",
    "top_k_smallest",
)


@cache
def cases() -> dict:
    return {case.name.removeprefix("test_"): case for case in load_model_tests(kind="node")}


@pytest.mark.parametrize("name", RIGHT)
def test_frozen_inputs_are_read_as_the_standard_says(name):
    case = whole_case(cases()[name], frozen=True)
    assert len(case.inputs) < len(case.model.graph.input)
    assert outcome(case) == ("right", "")


def test_numbers_that_only_the_data_know_are_refused():
    what, why = outcome(whole_case(cases()["nonmaxsuppression_two_classes"], frozen=True))
    assert what == "refused"
    assert "'boxes', 'scores'" in why
