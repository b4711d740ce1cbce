# SPDX-License-Identifier: Apache-2.0
"""``--debug`` and ``--dump-ir``, which every command has."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ..errors import InputError

DEBUG = "--debug"
DUMP_IR = "--dump-ir"
#: Each room's loggers are below it: ``flexpie_tvm.plan.model.cluster``.
_LOGGER = "flexpie_tvm"


def with_diagnostics(command: click.Command) -> click.Command:
    """The command, and each of its own commands, with both options."""
    if not any(option.name == "debug" for option in command.params):
        command.params += [_debug_option(), _dump_option()]
    if isinstance(command, click.Group):
        for one in command.commands.values():
            with_diagnostics(one)
    return command


def _debug_option() -> click.Option:
    help = "Log each step with its time, and print the traceback of an error."
    return click.Option([DEBUG], is_flag=True, expose_value=False, help=help, callback=_debug)


def _dump_option() -> click.Option:
    return click.Option(
        [DUMP_IR],
        type=click.Path(path_type=Path),
        metavar="DIR",
        expose_value=False,
        help="Write Relay's text behind each stage of compiling a model into this folder.",
        callback=_dump_ir,
    )


def _debug(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        context.with_resource(_logged())


def _dump_ir(context: click.Context, _: click.Parameter, folder: Path | None) -> None:
    if folder is None:
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{DUMP_IR} '{folder}' is not an empty folder")
    context.with_resource(_dumped(folder))


@contextmanager
def _logged() -> Iterator[None]:
    """What our loggers say, on stderr, while the body runs."""
    logger, handler = logging.getLogger(_LOGGER), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


@contextmanager
def _dumped(folder: Path) -> Iterator[None]:
    """Modules of the stages that the body runs go into a folder."""
    import tvm  # takes a second

    from ..relay.stages import StageDump

    dump = StageDump(folder)
    with tvm.transform.PassContext(instruments=[dump]):
        yield
    if not dump.written:
        click.echo(f"flexpie: {DUMP_IR}: no model was compiled, nothing was written", err=True)
