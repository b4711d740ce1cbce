# SPDX-License-Identifier: Apache-2.0
"""Who made an artifact: an Ed25519 signature of its manifest's digest, beside the manifest.

The digest covers every entry of ``artifact.json``, and these the checksums of all other files, so
one signature covers all that is ever loaded: libraries, plan, model, artifacts for fewer boards.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import ArtifactError, InputError
from ..extras import require
from ..files import read_bytes

SIGNATURE = "artifact.sig"
#: Bytes of a key or signature file at most.
MOST = 1 << 16
KEYS = "cryptography.hazmat.primitives.asymmetric.ed25519"
READERS = "cryptography.hazmat.primitives.serialization"
PURPOSE = "a signature of an artifact"


def read_private_key(path: str | Path) -> Any:
    """An Ed25519 private key, in the PEM of ``openssl genpkey`` or of ``ssh-keygen``.

    Returns
    -------
    key : Ed25519PrivateKey
        Of the package cryptography.

    Raises
    ------
    InputError
        If the file cannot be read or is no such key, or has a passphrase.
    ToolError
        If the package is not installed.
    """
    ed25519, readers = require(KEYS, PURPOSE), require(READERS, PURPOSE)
    text = _read(path)
    ssh = b"OPENSSH PRIVATE KEY" in text
    read = readers.load_ssh_private_key if ssh else readers.load_pem_private_key
    key = _parsed(read, text, path, "private key", password=None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InputError(f"'{path}' is no Ed25519 private key: it is of another kind")
    return key


def read_public_key(path: str | Path) -> Any:
    """An Ed25519 public key, in PEM (``openssl pkey -pubout``) or a line of ``ssh-keygen``.

    Raises
    ------
    InputError, ToolError
        As `read_private_key`.
    """
    ed25519, readers = require(KEYS, PURPOSE), require(READERS, PURPOSE)
    text = _read(path)
    ssh = text.startswith(b"ssh-")
    read = readers.load_ssh_public_key if ssh else readers.load_pem_public_key
    key = _parsed(read, text, path, "public key")
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise InputError(f"'{path}' is no Ed25519 public key: it is of another kind")
    return key


def write_signature(folder: Path, digest: str, key: Any) -> None:
    """Sign a manifest's digest with a private key; the signature goes beside the manifest."""
    signature = base64.b64encode(key.sign(_message(digest)))
    (folder / SIGNATURE).write_bytes(signature + b"\n")


def check_signature(folder: Path, digest: str, trust: Sequence[str | Path]) -> None:
    """Whether one of the public keys signed a manifest's digest.

    Raises
    ------
    ArtifactError
        If none did, or there is no signature.
    InputError, ToolError
        As `read_public_key`.
    """
    keys = [read_public_key(path) for path in trust]
    names = " or ".join(f"'{path}'" for path in trust)
    if not (folder / SIGNATURE).exists():
        raise ArtifactError(f"artifact '{folder}' is not signed; it must be, by the key of {names}")
    try:
        signature = base64.b64decode(read_bytes(folder / SIGNATURE, MOST), validate=False)
    except (OSError, binascii.Error):
        signature = b""
    if not _signed_by_one(keys, signature, _message(digest)):
        raise ArtifactError(f"artifact '{folder}' is not signed by the key of {names}")


def _signed_by_one(keys: Iterable[Any], signature: bytes, message: bytes) -> bool:
    wrong = require("cryptography.exceptions", PURPOSE).InvalidSignature
    for key in keys:
        try:
            key.verify(signature, message)
        except wrong:
            continue
        return True
    return False


def _message(digest: str) -> bytes:
    """What is signed; it begins with its purpose, so that no other use of the key makes it."""
    return f"flexpie artifact sha256 {digest}".encode()


def _read(path: str | Path) -> bytes:
    try:
        return read_bytes(path, MOST)
    except OSError as error:
        raise InputError(f"key '{path}' cannot be read: {error.strerror}") from None


def _parsed(read: Any, text: bytes, path: str | Path, kind: str, **options: Any) -> Any:
    unsupported = require("cryptography.exceptions", PURPOSE).UnsupportedAlgorithm
    try:
        return read(text, **options)
    except TypeError:  # a passphrase was not given
        raise InputError(f"'{path}' has a passphrase: give a key without one") from None
    except (ValueError, unsupported):
        raise InputError(f"'{path}' is no Ed25519 {kind}") from None
