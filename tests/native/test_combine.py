# SPDX-License-Identifier: Apache-2.0
"""combine "sum" and "max": folded in the order of ranks, the same bits every time."""

import time

import numpy as np
import pytest

from .boards import Cluster, TensorExchange, intersect, raise_any, slices

FULL = [[0, 6], [0, 50]]


def fold(combine, ins, out, xs):
    """What the order of ranks gives; a place that no board has had yet starts from the identity."""
    dtype = xs[0].dtype
    if combine == "sum":
        y = np.zeros(tuple(stop - start for start, stop in out), dtype)
    else:
        low = -np.inf if dtype.kind == "f" else np.iinfo(dtype).min
        y = np.full(tuple(stop - start for start, stop in out), low, dtype)
    for box, x in zip(ins, xs, strict=True):
        common = intersect(box, out)
        if common is not None:
            here = slices(common, out)
            y[here] = (np.add if combine == "sum" else np.maximum)(y[here], x[slices(common, box)])
    return y


def random_parts(rng, ins, dtype):
    shapes = [tuple(stop - start for start, stop in box) for box in ins]
    if dtype == "int32":
        return [rng.integers(-(2**31), 2**31, size=shape, dtype="int32") for shape in shapes]
    # Of very different sizes, so that another order of adding gives other bits.
    return [
        (rng.standard_normal(s) * 10.0 ** rng.integers(-4, 5, s)).astype("float32") for s in shapes
    ]


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("combine", ["sum", "max"])
@pytest.mark.parametrize("everywhere", [True, False], ids=["full", "partial"])
def test_folds_in_the_order_of_ranks(transport, combine, dtype, everywhere):
    rng = np.random.default_rng(11)
    ins = (
        [FULL] * 4 if everywhere else [[[0, 4], [0, 50]], FULL, [[1, 6], [3, 47]], [[2, 3], [0, 1]]]
    )
    outs = [FULL, [[0, 3], [0, 50]], [[3, 6], [10, 50]], None]
    xs = random_parts(rng, ins, dtype)
    with Cluster(transport, [TensorExchange(ins, outs, dtype, combine)], 4) as cluster:
        for late in range(4):  # whoever comes last, the bits are the same

            def one(rank, late=late):
                time.sleep(0.02 if rank == late else 0)
                return cluster.exchange(rank, 0, xs[rank])

            for rank, y in enumerate(raise_any(cluster.on_boards(one))):
                if outs[rank] is not None:
                    with np.errstate(over="ignore"):
                        expected = fold(combine, ins, outs[rank], xs)
                    assert y.tobytes() == expected.tobytes()


def test_max_keeps_nan(transport):
    xs = [np.array([np.nan, 1, 2], "float32"), np.array([0, np.nan, 3], "float32")]
    exchange = TensorExchange([[[0, 3]]] * 2, [[[0, 3]]] * 2, "float32", "max")
    with Cluster(transport, [exchange], 2) as cluster:
        for y in raise_any(cluster.on_boards(lambda rank: cluster.exchange(rank, 0, xs[rank]))):
            np.testing.assert_array_equal(y, np.array([np.nan, np.nan, 3], "float32"))
