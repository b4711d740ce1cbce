# SPDX-License-Identifier: Apache-2.0
"""Say what takes long, on a terminal only."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_log = logging.getLogger(__name__)


@contextmanager
def step(text: str) -> Iterator[None]:
    """A spinner while the body runs; nothing in a pipe. The log tells how long it took."""
    console, begin = Console(stderr=True), time.perf_counter()
    with console.status(text) if console.is_terminal else nullcontext():
        yield
    _log.debug("%s: %.2f s", text, time.perf_counter() - begin)


@contextmanager
def said(logger: str) -> Iterator[None]:
    """What a logger of ours says, a line each, while the body runs."""
    handler = _Lines()
    logging.getLogger(logger).addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger(logger).removeHandler(handler)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


class Stages:
    """What is being done: on a terminal a spinner, in a pipe a line each, as a log."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._status = console.status("") if console.is_terminal else None

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def say(self, text: str) -> None:
        """Go on to the next stage."""
        if self._status is None:
            click.echo(text)
            return
        self._status.update(text)
        self._status.start()

    def stop(self) -> None:
        """Leave the terminal to others, until something is said again."""
        if self._status is not None:
            self._status.stop()


@contextmanager
def share(text: str) -> Iterator[Callable[[float, str], None]]:
    """A bar; the body calls what it gets with the share done (0 to 1) and a few words."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, words: None
        return
    words = TextColumn("{task.fields[words]}")
    with Progress(
        TextColumn(text), BarColumn(), words, TimeElapsedColumn(), console=console
    ) as bar:
        task = bar.add_task("", total=1.0, words="")
        yield lambda done, words: bar.update(task, completed=min(done, 1.0), words=words)
