# SPDX-License-Identifier: Apache-2.0
"""The digest of what makes kernels."""

from __future__ import annotations

from pathlib import Path

from flexpie_tvm import fingerprint


def digest(folder: Path, text: str, monkeypatch) -> str:
    (folder / "kernels").mkdir(exist_ok=True)
    (folder / "kernels/one.py").write_text(text)
    monkeypatch.setattr(fingerprint, "HERE", folder)
    monkeypatch.setattr(fingerprint, "SOURCES", ("kernels",))
    return fingerprint.kernels_fingerprint.__wrapped__()


def test_code_changes_it_and_comments_do_not(tmp_path, monkeypatch):
    first = digest(tmp_path, "x = 1\n", monkeypatch)
    assert digest(tmp_path, "# why\n\nx = 1  \n", monkeypatch) == first
    said = '"""What."""\nimport os\nfrom a import (\n    b,\n)\n\nx = 1\n'
    assert digest(tmp_path, said, monkeypatch) == first
    inside = 'def f():\n    """Why."""\n    return "text"\n'
    assert digest(tmp_path, inside.replace("Why", "How"), monkeypatch) == digest(
        tmp_path, inside, monkeypatch
    )
    assert digest(tmp_path, inside.replace("text", "word"), monkeypatch) != digest(
        tmp_path, inside, monkeypatch
    )
    assert digest(tmp_path, "x = 2\n", monkeypatch) != first
    (tmp_path / "kernels/one.py").rename(tmp_path / "kernels/two.py")
    (tmp_path / "kernels/two.py").write_text("x = 1\n")
    assert fingerprint.kernels_fingerprint.__wrapped__() != first


def test_every_source_is_there():
    found = fingerprint.kernels_fingerprint()
    assert found == fingerprint.kernels_fingerprint.__wrapped__()
    assert len(found) == 12
    for name in fingerprint.SOURCES:
        assert (fingerprint.HERE / name).exists(), name
