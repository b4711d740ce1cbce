# SPDX-License-Identifier: Apache-2.0
"""Signed artifacts: who made them is checked before anything of them is used.

Keys are made by openssl and ssh-keygen, as users make them; openssl checks one signature.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

import flexpie_tvm
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.errors import ArtifactError, InputError
from flexpie_tvm.runtime.manifest import digest

SHAPE = ["--shape", "image=1x3x16x16"]


def pair(folder: Path, name: str, kind: str = "ed25519") -> tuple[Path, Path]:
    """A key pair, private and public, by openssl."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", kind, "-out", private], check=True,
                   capture_output=True)  # fmt: skip
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> tuple[Path, Path]:
    return pair(tmp_path_factory.mktemp("keys"), "maker")


@pytest.fixture(scope="module")
def with_fallback(small_onnx, tmp_path_factory) -> Path:
    """An artifact that keeps its model and an artifact for fewer boards; unsigned."""
    path = tmp_path_factory.mktemp("built") / "a.flexpie"
    made = ["build", str(small_onnx), *SHAPE, "--boards", "2", "--fallbacks", "1", "-o", str(path)]
    assert run_command(made) == 0
    return path


@pytest.fixture
def signed(with_fallback, keys, tmp_path) -> Path:
    path = tmp_path / "signed.flexpie"
    shutil.copytree(with_fallback, path)
    flexpie_tvm.sign_artifact(path, keys[0])
    return path


def test_what_a_trusted_key_signed_is_loaded(signed, keys, tmp_path):
    plain = flexpie_tvm.load_artifact(signed)
    assert flexpie_tvm.load_artifact(signed, trust=[keys[1]]) == plain
    _, other = pair(tmp_path, "other")
    assert flexpie_tvm.load_artifact(signed, trust=[other, keys[1]]) == plain


def test_openssl_agrees_with_the_signature(signed, keys, tmp_path):
    signature, message = tmp_path / "signature", tmp_path / "message"
    signature.write_bytes(base64.b64decode((signed / "artifact.sig").read_bytes()))
    said = json.loads((signed / "artifact.json").read_text())["digest"]
    message.write_text(f"flexpie artifact sha256 {said}")
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", keys[1], "-rawin"]
    subprocess.run([*verify, "-in", message, "-sigfile", signature], check=True)


def test_no_signature_and_another_s_are_refused(signed, with_fallback, tmp_path):
    _, other = pair(tmp_path, "other")
    with pytest.raises(ArtifactError, match=r"is not signed; it must be, by the key of '.*other"):
        flexpie_tvm.load_artifact(with_fallback, trust=[other])
    with pytest.raises(ArtifactError, match=r"is not signed by the key of '.*other\.pub'"):
        flexpie_tvm.load_artifact(signed, trust=[other])


def test_every_file_is_covered(signed, keys):
    """Changed by somebody who makes checksums and digest right again, as anybody can."""
    files = [f for f in signed.rglob("*") if f.is_file()]
    names = {f.relative_to(signed).as_posix() for f in files}
    assert {"board0.so", "plan.json", "model.onnx", "fallbacks/0/board0.so"} <= names
    for file in files:
        right = file.read_bytes()
        file.write_bytes(right[:-9] + bytes([right[-9] ^ 1]) + right[-8:])
        with pytest.raises(ArtifactError):
            flexpie_tvm.load_artifact(signed, trust=[keys[1]])
        file.write_bytes(right)
    assert flexpie_tvm.load_artifact(signed, trust=[keys[1]]).boards == 2


def test_a_manifest_made_right_again_is_refused(signed, keys):
    manifest = json.loads((signed / "artifact.json").read_text())
    manifest["scheme"] = "another"
    manifest["digest"] = digest(manifest)
    (signed / "artifact.json").write_text(json.dumps(manifest))
    assert flexpie_tvm.load_artifact(signed).scheme == "another"
    with pytest.raises(ArtifactError, match="is not signed by the key"):
        flexpie_tvm.load_artifact(signed, trust=[keys[1]])


def test_no_artifact_for_fewer_boards_is_put_in_by_a_link(signed, with_fallback, keys):
    (signed / "fallbacks" / "1").symlink_to(with_fallback / "fallbacks" / "0")
    with pytest.raises(ArtifactError, match="does not list"):
        flexpie_tvm.load_artifact(signed, trust=[keys[1]])


def test_keys_of_ssh_sign_too(with_fallback, tmp_path):
    path, key = tmp_path / "s.flexpie", tmp_path / "id"
    shutil.copytree(with_fallback, path)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    flexpie_tvm.sign_artifact(path, key)
    assert flexpie_tvm.load_artifact(path, trust=[tmp_path / "id.pub"]).boards == 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "none", "cannot be read"),
        (lambda folder: folder, "it is a folder"),
        (lambda folder: pair(folder, "x", "x25519")[0], "of another kind"),
        (lambda folder: pair(folder, "x")[1], "is no Ed25519 private key"),
        (lambda folder: protected(folder), "has a passphrase"),
    ],
)
def test_what_is_no_key_is_one_sentence(with_fallback, tmp_path, make, said):
    with pytest.raises(InputError, match=said):
        flexpie_tvm.sign_artifact(with_fallback, make(tmp_path))
    with pytest.raises(InputError):
        flexpie_tvm.load_artifact(with_fallback, trust=[make(tmp_path)])


def protected(folder: Path) -> Path:
    path = folder / "protected.pem"
    made = ["openssl", "genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:word"]
    subprocess.run([*made, "-out", path], check=True)
    return path


def test_commands_sign_and_trust(small_onnx, keys, tmp_path, capfd):
    path, (private, public) = tmp_path / "b.flexpie", keys
    build = ["build", str(small_onnx), *SHAPE, "--boards", "1", "-o", str(path), "--sign"]
    assert run_command([*build, str(public)]) == 2
    assert not path.exists()
    assert run_command([*build, str(private)]) == 0
    run = ["run", str(path), "--local", "--repeat", "1", "--trust"]
    assert run_command([*run, str(public)]) == 0
    (path / "artifact.sig").unlink()
    capfd.readouterr()
    assert run_command([*run, str(public)]) == 2
    said = capfd.readouterr().err
    assert "is not signed" in said
    assert said.count("\n") == 1
    assert run_command(["run", str(small_onnx), *SHAPE, "--local", "--trust", str(public)]) == 2
