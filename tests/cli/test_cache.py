# SPDX-License-Identifier: Apache-2.0
"""Commands take what they built before, say so, and can be told not to."""

from __future__ import annotations

from flexpie_tvm.cli.main import run_command


def test_a_second_build_says_that_it_was_built_before(small_onnx, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("FLEXPIE_CACHE", raising=False)
    model = [str(small_onnx), "--shape", "image=1x3x16x16", "--boards", "2"]

    def built(name, *more):
        assert run_command(["build", *model, "-o", str(tmp_path / name), *more]) == 0
        libraries = [p.read_bytes() for p in sorted((tmp_path / name).glob("board*.so"))]
        assert len(libraries) == 2
        return capsys.readouterr().out, libraries

    assert "built before" not in built("alone", "--no-cache")[0]
    first, libraries = built("first")
    assert "built before" not in first
    second, same = built("second")
    assert "built before" in second
    assert same == libraries
    assert "built before" not in built("third", "--no-cache")[0]
    assert run_command(["cache"]) == 0
    told = capsys.readouterr().out
    assert f"{tmp_path / 'xdg' / 'flexpie_tvm'}: 0 of" not in told
    assert run_command(["cache", "--clear"]) == 0
    assert f"{tmp_path / 'xdg' / 'flexpie_tvm'}: 0 of" in capsys.readouterr().out
    monkeypatch.setenv("FLEXPIE_CACHE", "0")
    assert "built before" not in built("fourth")[0]
