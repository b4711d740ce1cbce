# SPDX-License-Identifier: Apache-2.0
"""``flexpie key``: make a key that encrypts links."""

from __future__ import annotations

from pathlib import Path

import click

from ..runtime.link_key import VARIABLE, make_key


@click.command("key")
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Write a new random key to FILE, which nobody but its owner may read.

    Copy it to every board by a way that others cannot read, such as scp; it encrypts all links
    between boards and to the host.
    """
    key, name = make_key(file), click.format_filename(file)
    click.echo(
        f"{name}: key {key.id}; on boards: flexpie board --psk {name} (stock servers: "
        f"{VARIABLE}={name}), on the host: flexpie run --secure {name}"
    )
