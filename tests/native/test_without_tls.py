# SPDX-License-Identifier: Apache-2.0
"""A runtime that was built where Mbed TLS is not: it refuses a key in one sentence."""

import ctypes
import os
import subprocess
import sys

import pytest

from flexpie_tvm.errors import InputError
from flexpie_tvm.runtime.secure_socket import host_key

from .boards import flexpie_error
from .conftest import REPOSITORY, build_runtime
from .keys import ENVIRONMENT, write_key

WITHOUT = """
import sys
import tvm
tvm.runtime.load_module(sys.argv[1])
create = tvm.get_global_func("flexpie.board_create")
try:
    create(0, 1, '{"rank": 0, "boards": 1, "exchanges": []}', 9)
except tvm.error.TVMError as error:
    print(error)
"""


def test_a_runtime_built_without_it_says_so(tmp_path, monkeypatch):
    key = write_key(tmp_path / "psk.key")
    monkeypatch.setenv(ENVIRONMENT, str(key))
    library = build_runtime(tmp_path / "build", "-DFLEXPIE_TLS=OFF", "-DCMAKE_CXX_FLAGS=-O0")
    assert ctypes.CDLL(str(library)).flexpie_has_tls() == 0
    command = [sys.executable, "-c", WITHOUT, str(library)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    content, text = flexpie_error(said.stdout)
    assert (content["kind"], content["board"]) == ("untrusted", 0)
    assert "built without Mbed TLS" in text
    (tmp_path / os.uname().machine).mkdir()
    library.rename(tmp_path / os.uname().machine / library.name)
    monkeypatch.setenv("FLEXPIE_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(InputError, match="this machine was built without Mbed TLS"):
        host_key(key)
