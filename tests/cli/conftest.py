# SPDX-License-Identifier: Apache-2.0
"""What tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from flexpie_tvm.cli.main import run_command

from .calls import SHAPE


@pytest.fixture(scope="package")
def artifact(small_onnx, tmp_path_factory) -> Path:
    """The small model, built for two boards."""
    path = tmp_path_factory.mktemp("built") / "small.flexpie"
    assert run_command(["build", str(small_onnx), *SHAPE, "--boards", "2", "-o", str(path)]) == 0
    return path
