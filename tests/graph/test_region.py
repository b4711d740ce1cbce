# SPDX-License-Identifier: Apache-2.0
"""Regions against sets of points."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexpie_tvm.graph import Region, empty, hull, whole


def spans(limit=5):
    return st.tuples(st.integers(0, limit), st.integers(0, limit)).map(lambda p: tuple(sorted(p)))


def regions(rank):
    return st.tuples(*[spans()] * rank).map(Region)


def pairs(count=2):
    return st.integers(0, 3).flatmap(lambda rank: st.tuples(*[regions(rank)] * count))


def points(region):
    return set(product(*(range(a, b) for a, b in region.bounds)))


@given(pairs())
def test_intersection_is_the_common_points(pair):
    a, b = pair
    assert points(a.intersect(b)) == points(a) & points(b)


@given(pairs())
def test_contains_means_a_superset_of_points(pair):
    a, b = pair
    assert a.contains(b) == (points(a) >= points(b))


@given(pairs(3))
def test_hull_is_the_smallest_box_around_all_points(parts):
    rank = parts[0].rank
    around = hull(parts, rank)
    inside = set().union(*map(points, parts))
    assert points(around) >= inside
    for axis in range(rank if inside else 0):
        values = [p[axis] for p in inside]
        assert around.bounds[axis] == (min(values), max(values) + 1)
    assert around.is_empty == (not inside)


@given(pairs(1))
def test_volume_and_emptiness_count_points(pair):
    (region,) = pair
    assert region.volume == len(points(region))
    assert region.is_empty == (not points(region))


@given(pairs())
def test_relative_regions_index_a_buffer_of_the_origin(pair):
    origin, box = pair
    inner = origin.intersect(box)
    if inner.is_empty:
        return
    tensor = np.arange(6**origin.rank).reshape((6,) * origin.rank)
    part = tensor[origin.slices()][inner.relative_to(origin).slices()]
    np.testing.assert_array_equal(part, tensor[inner.slices()])


def test_replace_shape_starts_stops_and_text():
    region = whole((2, 3)).replace(1, 1, 3)
    assert region == Region(((0, 2), (1, 3)))
    assert (region.shape, region.starts, region.stops) == ((2, 2), (0, 1), (2, 3))
    assert str(region) == "[0:2, 1:3]"
    assert region.to_json() == [[0, 2], [1, 3]]


def test_the_canonical_empty_region():
    assert empty(2).is_empty
    assert empty(2).rank == 2


def test_a_scalar_has_one_element_or_none():
    scalar = whole(())
    assert scalar.volume == 1
    assert not scalar.is_empty
    assert empty(0).volume == 0
    assert empty(0).is_empty
    assert scalar.intersect(empty(0)) == hull([], 0) == empty(0) != scalar
    assert scalar.contains(empty(0))
    assert not empty(0).contains(scalar)
    assert hull([empty(0), scalar], 0) == scalar


def test_a_region_cannot_stop_before_it_starts():
    with pytest.raises(ValueError, match="stops before it starts"):
        Region(((3, 2),))
