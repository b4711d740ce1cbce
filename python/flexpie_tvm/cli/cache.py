# SPDX-License-Identifier: Apache-2.0
"""``flexpie cache``: what is kept of earlier builds; and the option not to use it."""

from __future__ import annotations

import os

import click

from ..runtime import BuildCache, user_cache


def _chosen(_context: click.Context, _option: click.Parameter, off: bool) -> BuildCache | None:
    return None if off else user_cache(os.environ)


cache_option = click.option(
    "--no-cache",
    "cache",
    is_flag=True,
    callback=_chosen,
    help="Compile all anew, and keep nothing; as FLEXPIE_CACHE=0 does.",
)


@click.command("cache")
@click.option("--clear", is_flag=True, help="Remove what is kept.")
def command(clear: bool) -> None:
    """Tell where libraries that were built before are kept, and how many bytes they take."""
    cache = user_cache(os.environ)
    if cache is None:
        click.echo("no cache: FLEXPIE_CACHE is 0")
        return
    if clear:
        cache.clear()
    click.echo(f"{cache.folder}: {cache.size()} of at most {cache.limit} bytes")
