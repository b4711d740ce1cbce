# SPDX-License-Identifier: Apache-2.0
"""Schemes cover a tensor exactly once, whatever the sizes and shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexpie_tvm.errors import PlanError
from flexpie_tvm.graph import Axes, Tensor
from flexpie_tvm.plan import Split, cut_points, parse_scheme, split_for

SCHEMES = ["InH", "InW", "OutC", "2D-grid", "Single"]


def covered(shape, regions):
    count = np.zeros(shape, int)
    for region in regions:
        count[region.slices()] += 1
    return count


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 4),
    shares=st.lists(st.floats(0.05, 1), min_size=1, max_size=9),
    kind=st.sampled_from(SCHEMES),
    cuttable=st.sets(st.integers(0, 3)),
)
def test_every_scheme_covers_a_tensor_exactly_once(shape, shares, kind, cuttable):
    tensor = Tensor(0, "t", shape, "float32", "op", Axes(h=2, w=3, c=1))
    split = split_for(parse_scheme(kind, len(shares)), tensor, frozenset(cuttable), shares)
    owned = split.owned(shape, len(shares))
    assert len(owned) == len(shares)
    assert (covered(shape, owned) == 1).all()
    assert set(split.axes) <= cuttable


@given(size=st.integers(0, 99), shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=9))
def test_cut_points_are_within_one_element_of_the_shares(size, shares):
    points = cut_points(size, shares)
    assert points[0] == 0
    assert points[-1] == size
    assert list(points) == sorted(points)
    exact = size * np.cumsum(shares) / sum(shares)
    assert np.abs(np.array(points[1:]) - exact).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split((4,), ((0, 2),)), "axis 4"),
        (Split((0,), ((0, 1),)), "do not cover"),
        (Split((0,), ((1, 2),)), "do not cover"),
        (Split((0,), ((0, 2, 1, 2),)), "do not cover"),
        (Split((0,), ((0, 1, 2),)), "2 cells for 1 boards"),
    ],
)
def test_splits_that_do_not_fit_are_refused(split, message):
    with pytest.raises(PlanError, match=message):
        split.owned((2, 2), 1)
