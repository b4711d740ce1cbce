# SPDX-License-Identifier: Apache-2.0
"""Relay text in and out."""

from __future__ import annotations

import tvm
from tvm import relay

HEAD = '#[version = "0.0.5"]\n'


def parse(text: str) -> tvm.IRModule:
    """A module from Relay text, with types."""
    return relay.transform.InferType()(relay.parse(HEAD + text))


def assert_same(got: tvm.IRModule, expected: str) -> None:
    """Structural equality; both modules are printed if they differ."""
    wanted = parse(expected)
    if not tvm.ir.structural_equal(got["main"].body, wanted["main"].body, map_free_vars=True):
        raise AssertionError(
            f"got:\n{got.astext(show_meta_data=False)}\n"
            f"expected:\n{wanted.astext(show_meta_data=False)}"
        )
