# SPDX-License-Identifier: Apache-2.0
"""Keys of encrypted links, as files."""

import secrets

#: Tells a board where its key is.
ENVIRONMENT = "FLEXPIE_PSK_FILE"


def write_key(path, text=None):
    """A file that only its owner reads, with a key of its own or the text."""
    path.write_text(secrets.token_hex(32) + "\n" if text is None else text)
    path.chmod(0o600)
    return path
