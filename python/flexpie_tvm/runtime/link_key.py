# SPDX-License-Identifier: Apache-2.0
"""The key that encrypts the links of boards and host: 32 random bytes in a file of each machine."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from flexpie_board.values import KEY_BYTES, KEY_VARIABLE, link_secret

from ..errors import InputError

#: Where a board's server finds the name of its key's file.
VARIABLE = KEY_VARIABLE
#: As in tls_mbedtls.cc.
ID_OF, ID_DIGITS = b"flexpie key id", 16


@dataclass(frozen=True)
class LinkKey:
    """A key, and where it is from.

    Parameters
    ----------
    path : Path
        Its file.
    secret : bytes
        What both ends of a link know.
    """

    path: Path
    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """A few digits that tell keys apart and nothing more."""
        return hashlib.sha256(ID_OF + self.secret).hexdigest()[:ID_DIGITS]


def read_key(path: str | Path) -> LinkKey:
    """Read a key.

    Raises
    ------
    InputError
        If it is none, or others than its owner may read or write it.
    """
    try:
        return LinkKey(Path(path), link_secret(path))
    except ValueError as error:
        raise InputError(str(error)) from None


def make_key(path: str | Path) -> LinkKey:
    """Write a new random key to a file that nobody but its owner may read.

    Raises
    ------
    InputError
        If there is such a file already, or it cannot be written.
    """
    secret = secrets.token_bytes(KEY_BYTES)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as stream:
            stream.write(secret.hex() + "\n")
    except FileExistsError:
        raise InputError(f"'{path}' is there already: choose another name, or remove it") from None
    except OSError as error:
        raise InputError(f"key '{path}' cannot be written: {error.strerror or error}") from None
    return LinkKey(Path(path), secret)
