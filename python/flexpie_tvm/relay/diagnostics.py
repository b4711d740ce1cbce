# SPDX-License-Identifier: Apache-2.0
"""What TVM's type checker complains about, kept instead of printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tvm.ir import diagnostics


@contextmanager
def collected_diagnostics() -> Iterator[list[str]]:
    """Inside, TVM renders no diagnostics; their messages are added to the list, one line each."""
    messages: list[str] = []

    def collect(context: diagnostics.DiagnosticContext) -> None:
        messages.extend(" ".join(str(d.message).split()) for d in context.diagnostics)

    diagnostics.override_renderer(collect)
    try:
        yield messages
    finally:
        diagnostics.override_renderer(None)
