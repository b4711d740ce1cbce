# SPDX-License-Identifier: Apache-2.0
"""Say what takes long, on a terminal only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def step(text: str) -> Iterator[None]:
    """A spinner while the body runs; nothing in a pipe."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield
