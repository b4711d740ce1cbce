# SPDX-License-Identifier: Apache-2.0
"""Einstein sums."""

import pytest
from tvm import relay

from flexpie_tvm.rules.einsum import parse_equation
from flexpie_tvm.testing.tiles import check_call


def var(name, *shape):
    return relay.var(name, shape=shape)


@pytest.mark.parametrize(
    ("equation", "shapes", "cuts"),
    [
        ("ij,jk->ik", [(5, 4), (4, 3)], {0, 1}),
        ("bij, bjk -> bik", [(2, 5, 4), (2, 4, 3)], {0, 1, 2}),
        ("ij,jk", [(5, 4), (4, 3)], {0, 1}),
        ("bhqd,bhkd->bhqk", [(1, 2, 3, 4), (1, 2, 5, 4)], {1, 2, 3}),
        ("...ii->...i", [(3, 4, 4)], set()),
        ("ij->i", [(5, 4)], {0}),
        ("ij->ji", [(5, 4)], {0, 1}),
        ("i,i", [(5,), (5,)], set()),
    ],
)
def test_tiles(equation, shapes, cuts):
    operands = [var(f"x{k}", *shape) for k, shape in enumerate(shapes)]
    check_call(relay.einsum(operands, equation), cuts)


def test_equations():
    assert parse_equation("b ij, bjk -> bik") == (("bij", "bjk"), "bik")
    assert parse_equation("ab,bc") == (("ab", "bc"), "ac")
    assert parse_equation("ii") == (("ii",), "")
    assert parse_equation("...i->...") is None
