# SPDX-License-Identifier: Apache-2.0
"""The runtime's tests in C++ (tests/cpp), built beside the library under test and run by ctest."""

import os
import re
import subprocess

from .conftest import REPOSITORY, build_runtime


def test_parts_of_the_runtime(runtime_lib, tmp_path):
    """Objects of the library are taken from its build; a given library may have none."""
    folder = tmp_path if "FLEXPIE_RUNTIME_LIB" in os.environ else runtime_lib.parent
    build_runtime(folder, "-DFLEXPIE_TESTS=ON")
    done = subprocess.run(
        ["ctest", "--output-on-failure"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.search(r"100% tests passed, 0 tests failed out of (\d+)", done.stdout)
    assert ran, done.stdout
    written = sum(
        len(re.findall(r"^TEST\(", source.read_text(), re.M))
        for source in (REPOSITORY / "tests" / "cpp").glob("*_test.cc")
    )
    assert int(ran.group(1)) == written > 50
