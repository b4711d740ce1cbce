# SPDX-License-Identifier: Apache-2.0
"""The runtime library under test: FLEXPIE_RUNTIME_LIB if set, else built once per session."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tvm

REPOSITORY = Path(__file__).resolve().parents[2]


def build_runtime(folder, *options):
    """Builds the library into folder and returns its path; our own files must compile silently."""
    configure = ["cmake", "-S", REPOSITORY, "-B", folder, f"-DPython3_EXECUTABLE={sys.executable}"]
    for command in ([*configure, *options], ["cmake", "--build", folder, "-j1"]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    place = r"/(?:flexpie_tvm|tests/cpp)/\w+\.(?:cc|h):\d+:\d+"
    warned = re.findall(rf"^.*{place}: warning: .*$", done.stderr, re.M)
    assert warned == []
    return folder / "libflexpie_runtime.so"


@pytest.fixture(scope="session")
def runtime_lib(tmp_path_factory):
    """Path of libflexpie_runtime.so for this machine."""
    given = os.environ.get("FLEXPIE_RUNTIME_LIB")
    return Path(given) if given else build_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="session", autouse=True)
def runtime(runtime_lib):
    """The loaded library; its packed functions are registered in this process."""
    return tvm.runtime.load_module(str(runtime_lib))


@pytest.fixture(params=["local", "tcp"])
def transport(request):
    """Every test that takes this runs over both transports."""
    return request.param
