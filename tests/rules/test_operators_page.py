# SPDX-License-Identifier: Apache-2.0
"""docs/operators.md says what the rules say."""

from pathlib import Path

import tvm

from flexpie_tvm.rules import RULES
from flexpie_tvm.testing.operators import table

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"


def test_the_page_is_what_the_rules_say():
    assert PAGE.read_text() == table(), "make it again: see its last paragraph"


def test_every_rule_is_in_the_table():
    page = PAGE.read_text()
    assert [kind for kind in RULES if f"`{kind}`" not in page] == []


def test_every_rule_is_about_an_operator_of_relay():
    known = set(tvm.ir.Op.list_op_names())
    assert [kind for kind in RULES if kind not in known] == []
