# SPDX-License-Identifier: Apache-2.0
"""Tiles of sliding windows equal slices of the whole."""

import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call


@pytest.mark.parametrize(
    ("axis", "window", "strides"),
    [(2, (3, 2), (1, 1)), (2, (2, 3), (3, 2)), (3, (4,), (2,)), (1, (2, 3, 1), (1, 2, 3))],
)
def test_sliding_window(axis, window, strides):
    image = relay.var("x", shape=(2, 3, 8, 9), dtype="float32")
    check_call(relay.sliding_window(image, axis, window, strides), count=12)
