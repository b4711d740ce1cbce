# SPDX-License-Identifier: Apache-2.0
"""The file of a key: what is none is refused in one sentence."""

import ctypes
import os

import pytest
import tvm

from .boards import create_board, flexpie_error
from .keys import ENVIRONMENT, write_key


@pytest.fixture(autouse=True)
def can_encrypt(runtime_lib):
    """These tests must not pass by not being run: a runtime without encryption fails them."""
    assert ctypes.CDLL(str(runtime_lib)).flexpie_has_tls() == 1


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0o640, "chmod 600"),
        (None, 0o604, "chmod 600"),
        ("00" * 31, 0o600, "64 hex digits"),
        ("00" * 33, 0o600, "64 hex digits"),
        ("xy" * 32, 0o600, "64 hex digits"),
        ("", 0o600, "64 hex digits"),
    ],
)
def test_a_file_that_is_no_key_is_one_sentence(text, mode, said, tmp_path, monkeypatch):
    path = write_key(tmp_path / "psk.key", text)
    path.chmod(mode)
    refused(path, said, monkeypatch)


def test_what_is_no_file_is_no_key(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe", 0o600)
    refused(tmp_path / "pipe", "no regular file", monkeypatch)
    refused(tmp_path, "no regular file", monkeypatch)
    refused(tmp_path / "missing", "No such file", monkeypatch)


def refused(path, said, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, str(path))
    for ask in (
        lambda: create_board(3, 4, {"rank": 3, "boards": 4, "exchanges": []}),
        lambda: tvm.get_global_func("flexpie.key_id")(3),
    ):
        with pytest.raises(tvm.error.TVMError) as caught:
            ask()
        content, text = flexpie_error(caught.value)
        assert (content["kind"], content["board"]) == ("untrusted", 3)
        assert said in text
        assert str(path) in text
        assert "\n" not in text


def test_a_key_id_tells_keys_apart(tmp_path, monkeypatch):
    key_id, ids = tvm.get_global_func("flexpie.key_id"), set()
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert key_id(0) == ""
    for name in ("one", "other"):
        path = write_key(tmp_path / name)
        monkeypatch.setenv(ENVIRONMENT, str(path))
        assert key_id(0) == key_id(1)
        assert key_id(0) not in path.read_text()
        ids.add(key_id(0))
    assert len(ids) == 2
