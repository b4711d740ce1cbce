# SPDX-License-Identifier: Apache-2.0
"""Values as users write them."""

from __future__ import annotations

import pytest

from flexpie_board.values import size_in_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MB", 512_000_000), ("2GiB", 2 << 30), (" 1.5 kB ", 1500), ("77", 77), ("8B", 8)],
)
def test_sizes(text, size):
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["much", "", "-1MB", "1TB", "1e9", "9" * 400, "1 2", "MB"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="is not one such as 512MB"):
        size_in_bytes(text)
