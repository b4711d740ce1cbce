# SPDX-License-Identifier: Apache-2.0
"""Random layers and the small model as subjects; boards."""

from __future__ import annotations

import numpy as np
import pytest
import tvm

import flexpie_tvm
from flexpie_tvm.lab.profiler import subject_of
from flexpie_tvm.lab.profiler.sampler import random_subject
from flexpie_tvm.runtime import Cluster


@pytest.fixture(scope="session")
def random_layers(target):
    """Sixty random layers, of all kinds."""
    return random_subject(np.random.default_rng(3), 60, tvm.target.Target(target))


@pytest.fixture(scope="session")
def small_subject(small_onnx, target):
    """The layers of the small model."""
    module = flexpie_tvm.load_onnx(small_onnx, {"image": (1, 3, 16, 16)})
    return subject_of("small", module, tvm.target.Target(target))


@pytest.fixture
def two_boards(boards):
    """Two boards, given back afterwards."""
    with Cluster.connect((boards.host, boards.port), boards.key, 2) as cluster:
        yield cluster
