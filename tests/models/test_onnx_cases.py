# SPDX-License-Identifier: Apache-2.0
"""Cases of the ONNX standard's own suite: cut answers are the answers that the suite ships.

A few of every family of operators; ``benchmarks/onnx_cases.py`` tries all of them.
"""

import pytest

from flexpie_tvm.errors import ModelError
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.onnx_cases import load_case
from flexpie_tvm.testing.onnx_checks import check_case

EVALUATOR = Evaluator()  # only a cache of compiled operators
FAMILIES = {
    "convolutions": "conv_with_strides_padding convinteger_with_padding convtranspose_pads",
    "pools": "averagepool_2d_ceil maxpool_2d_dilations globalaveragepool",
    "matrix products": "matmul_3d gemm_beta einsum_batch_matmul",
    "pointwise": "add_bcast where_example erf prelu_broadcast clip mod_mixed_sign_int64",
    "reductions": "argmax_keepdims_random reduce_mean_keepdims_random",
    "sums of exponentials": "reduce_log_sum_exp_keepdims_random",
    "norms": "softmax_axis_1 lrn instancenorm_epsilon layer_normalization_3d_axis1_epsilon mvn",
    "scans": "cumsum_2d_axis_1 hardmax_axis_0 tril_square",
    "same elements": "flatten_axis2 reshape_reordered_all_dims squeeze unsqueeze_axis_1",
    "moves": "transpose_all_permutations_2 concat_3d_axis_1 split_equal_parts_2d slice",
    "copies": "constant_pad reflect_pad tile expand_dim_changed",
    "indices": "gather_1 gathernd_example_int32 gather_elements_0",
    "sizes": "upsample_nearest depthtospace_example spacetodepth",
    "quantized": "qlinearconv quantizelinear dequantizelinear",
    "losses": "nllloss_NC sce_mean",
}
ONCE_FAILED = [
    "conv_with_autopad_same",  # pads are folded from a floor division
    "maxpool_2d_same_lower",
    "mod_mixed_sign_int32",
    "convtranspose_output_shape",  # negative padding
]


@pytest.mark.parametrize("family", FAMILIES)
def test_cut_answers_are_those_of_the_standard(family, target):
    for name in FAMILIES[family].split():
        check(name, target)


@pytest.mark.parametrize("name", ONCE_FAILED)
def test_cases_that_once_failed(name, target):
    check(name, target)


@pytest.mark.parametrize("name", ["gru_defaults", "rnn_seq_length", "lstm_defaults"])
def test_recurrent_networks_are_computed_whole(name, target):
    result = check_case(load_case(f"test_{name}"), target, EVALUATOR)
    assert not result.wrong
    assert not result.whole_differs
    assert not result.cut


@pytest.mark.parametrize("name", ["scan_sum", "if"])
def test_control_flow_of_a_known_size_is_written_out(name, target):
    result = check_case(load_case(f"test_{name}"), target, EVALUATOR)
    assert not result.wrong
    assert not result.whole_differs


def test_a_loop_whose_rounds_depend_on_data_is_refused():
    with pytest.raises(ModelError):
        load_case("test_loop11")


def check(name, target):
    result = check_case(load_case(f"test_{name}"), target, EVALUATOR)
    assert not result.wrong, name
    assert not result.whole_differs, name
    assert result.cut, name
