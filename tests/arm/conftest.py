# SPDX-License-Identifier: Apache-2.0
"""Counting needs qemu and packages; where they cannot be had these tests are skipped and say so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from flexpie_tvm.errors import ClusterError, ToolError
from flexpie_tvm.lab.counting.guest import prepare_counting
from flexpie_tvm.lab.counting.programs import run

from .emulated_boards import EmulatedBoards


@pytest.fixture(scope="session")
def counting(request):
    """Everything that counting needs, in the cache folder."""
    try:
        prepare_counting()
    except (ToolError, ClusterError) as error:
        if request.config.getoption("--require-counting"):
            pytest.fail(f"aarch64 code cannot be counted: {error}")
        pytest.skip(f"aarch64 code cannot be counted here: {error}")


@pytest.fixture(scope="session")
def assemble(counting, tmp_path_factory):
    """Assembly text -> a static aarch64 program."""

    def assembled(text: str) -> Path:
        folder = tmp_path_factory.mktemp("programs")
        (folder / "program.s").write_text(text)
        options = ("-nostdlib", "-static", "-o", folder / "program")
        run(["aarch64-linux-gnu-g++", *options, folder / "program.s"])
        return folder / "program"

    return assembled


@pytest.fixture(scope="session")
def emulated_boards(counting) -> Callable[[str], EmulatedBoards]:
    """Processor -> boards that run aarch64 code under qemu, the same for all tests."""
    with ExitStack() as running:
        yield cache(lambda cpu: running.enter_context(EmulatedBoards(cpu)))
