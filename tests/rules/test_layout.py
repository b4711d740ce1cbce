# SPDX-License-Identifier: Apache-2.0
"""Where a layout has its axes."""

import pytest

from flexpie_tvm.rules import parse_layout


def test_axes_are_found_or_not():
    layout = parse_layout("NHWC8c")
    assert [layout.index(letter) for letter in "NHWCc"] == [0, 1, 2, 3, 4]
    assert (layout.find("c"), layout.find("D")) == (4, None)
    assert (layout.block("C"), layout.block("N")) == (8, 1)
    with pytest.raises(ValueError, match="not in"):
        layout.index("D")
    axes = parse_layout("NC").axes
    assert (axes.h, axes.w, axes.c) == (None, None, 1)
