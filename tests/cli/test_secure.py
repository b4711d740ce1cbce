# SPDX-License-Identifier: Apache-2.0
"""Keys on the command line: made, used, refused."""

from __future__ import annotations

import stat

import numpy as np
import onnxruntime
import pytest

from flexpie_tvm.cli.main import run_command

SHAPE = ("--shape", "image=1x3x16x16")


@pytest.fixture
def key(tmp_path, capsys):
    path = tmp_path / "psk.key"
    assert run_command(["key", str(path)]) == 0
    said = capsys.readouterr().out
    assert path.read_text().strip() not in said
    assert f"flexpie run --secure {path}" in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path


def test_a_key_is_not_written_over(key, capsys):
    before = key.read_text()
    assert run_command(["key", str(key)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert key.read_text() == before


def test_a_run_over_encrypted_links_answers_right(small_onnx, key, tmp_path):
    image, answers = tmp_path / "in.npz", tmp_path / "out.npz"
    inputs = {"image": np.random.default_rng(5).normal(size=(1, 3, 16, 16)).astype("float32")}
    np.savez(image, **inputs)
    expected = onnxruntime.InferenceSession(small_onnx).run(None, inputs)
    run = ["run", str(small_onnx), *SHAPE, "--local", "--boards", "2", "--scheme", "InH"]
    files = ["--input", str(image), "--output", str(answers), "--repeat", "1"]
    assert run_command([*run, *files, "--secure", str(key)]) == 0
    with np.load(answers) as got:
        for answer, right in zip(got.values(), expected, strict=True):
            np.testing.assert_allclose(answer, right, rtol=1e-4, atol=1e-4)


def test_a_key_that_others_may_read_is_refused_before_anything_is_done(key, capsys):
    key.chmod(0o644)
    for command in (
        ["run", "missing.flexpie", "--local", "--secure", str(key)],
        ["bench", "mobilenet", "--local", "-o", str(key.parent / "out"), "--secure", str(key)],
        ["testbed", "up", "--secure", str(key)],
        ["board", "--tracker", "127.0.0.1:1", "--key", "rpi", "--psk", str(key)],
    ):
        assert run_command(command) == 2
        said = capsys.readouterr().err
        assert said.startswith("flexpie: others may read or write key")
        assert said.count("\n") == 1


def test_boards_without_a_key_are_named(small_onnx, key, boards, capsys):
    run = ["run", str(small_onnx), *SHAPE, "--boards", "2", "--scheme", "InH"]
    where = ["--tracker", f"{boards.host}:{boards.port}", "--key", boards.key]
    assert run_command([*run, *where, "--secure", str(key)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "has no key: start it with 'flexpie board --psk FILE'" in said
