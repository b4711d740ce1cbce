# SPDX-License-Identifier: Apache-2.0
"""Real networks on real RPC servers: one board's answers on 2, 3 and 4 boards."""

from __future__ import annotations

import numpy as np
import pytest

import flexpie_tvm
from flexpie_tvm.runtime import Cluster, SingleBoard, build_single, relative_error
from flexpie_tvm.testing.networks import PADDLE, light_model, paddle_model

SCHEMES = {2: "InH", 3: "OutC", 4: "2D-grid"}
LIMIT = 1e-4


@pytest.fixture(scope="module", params=["resnet50", "ppocr_det", "ppocr_cls"])
def network(request, tmp_path_factory, target, boards):
    """Pre-optimized module, inputs, and what stock TVM answers on one board."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param in PADDLE:
        path, shapes = paddle_model(request.param), PADDLE[request.param].shapes
    else:
        path, shapes = light_model(request.param, folder), {}
    whole = flexpie_tvm.load_onnx(path, shapes)
    rng = np.random.default_rng(11)
    inputs = {
        p.name_hint: rng.normal(size=[int(n) for n in p.checked_type.shape]).astype("float32")
        for p in whole["main"].params
    }
    library = build_single(whole, target, folder / "whole.so")
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 1) as cluster,
        SingleBoard(cluster.sessions[0], library) as single,
    ):
        expected = single.run(inputs)
    return flexpie_tvm.FlexPiePreOptimize(target)(whole), inputs, expected


@pytest.mark.parametrize("count", SCHEMES)
def test_answers_equal_one_board(count, network, target, boards, tmp_path):
    module, inputs, expected = network
    annotated = flexpie_tvm.FlexPiePartition(count, SCHEMES[count])(module)
    artifact = flexpie_tvm.build(annotated, target, tmp_path / "model.flexpie")
    with (
        Cluster.connect((boards.host, boards.port), boards.key, count) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        answers = deployment.run(inputs)
        again = deployment.run(inputs)
    for answer, repeated, wanted in zip(answers, again, expected, strict=True):
        assert float(np.ptp(wanted)) > 0
        assert relative_error(answer, wanted) < LIMIT
        np.testing.assert_array_equal(answer, repeated)
