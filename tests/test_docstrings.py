# SPDX-License-Identifier: Apache-2.0
"""Everything public says what it takes, gives and raises."""

from __future__ import annotations

import inspect

import pytest

from tests.numpy_docstring import (
    methods,
    missing_of_class,
    missing_of_function,
    raised_by,
    said_by_bases,
)
from tests.public_api import public_objects

PUBLIC = dict(public_objects())


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings_are_complete(name):
    thing = PUBLIC[name]
    if not inspect.isclass(thing):
        assert list(missing_of_function(thing)) == []
        return
    missing = [f"class: {what}" for what in missing_of_class(thing)]
    for method, function, is_property in methods(thing):
        lacks = missing_of_function(function, said_by_bases(thing, method))
        left = [what for what in lacks if not (is_property and what == "Returns")]
        missing += [f"{method}: {what}" for what in left]
    assert missing == []


def test_the_walk_meets_what_users_call():
    for name in ("compile", "build", "Cluster", "Plan", "machine.known_boards", "plan.simulate"):
        assert f"flexpie_tvm.{name}" in PUBLIC


def said(x: int, y: int) -> int:
    """Add two numbers.

    Parameters
    ----------
    x : int
        One.

    Returns
    -------
    total : int
        Both.
    """
    if x < 0:
        raise ValueError("negative")
    try:
        raise KeyError
    except KeyError:
        return x + y


def unsaid(x: int) -> int:
    """Double a number."""
    return 2 * x


def test_what_is_missing_is_found():
    assert list(missing_of_function(said)) == ["Parameters: y", "Raises: ValueError"]
    assert raised_by(said) == {"ValueError"}
    assert list(missing_of_function(unsaid)) == ["Parameters: x", "Returns"]
    base = "Parameters\n----------\nx : int\n    A number.\n\nReturns\n-------\ny : int\n    Twice."
    assert list(missing_of_function(unsaid, base)) == []
