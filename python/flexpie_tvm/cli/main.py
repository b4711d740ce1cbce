# SPDX-License-Identifier: Apache-2.0
"""The ``flexpie`` command. Bad input is one line on stderr and exit code 2."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback

import click

from .diagnostics import DEBUG, with_diagnostics
from .interrupt import heed_signals, was_interrupted

INTERRUPTED = 130
#: Nobody foresaw this error.
UNFORESEEN = 3
COMMANDS = {
    "plan": "Decide how a model is cut over boards.",
    "build": "Compile a model for its boards into an artifact.",
    "run": "Run a model or an artifact on boards.",
    "tune": "Measure register tiles of a model's own kernels on boards.",
    "profile": "Time layer tiles and exchanges on boards into a trace store.",
    "calibrate": "Correct a packaged cost model by two minutes on boards.",
    "train": "Learn a cost model from measurements.",
    "show": "Explain a plan as an HTML page.",
    "advise": "Tell how many of which boards a model is worth, before there are any.",
    "board": "Make this machine a board.",
    "key": "Make a key that encrypts links between boards and host.",
    "boards": "List the boards of a tracker: what they are, free or busy.",
    "cache": "Tell what is kept of earlier builds, or remove it.",
    "testbed": "Bring up a cluster of boards on this machine, or take it down.",
    "bench": "Measure ways of partitioning beside each other.",
    "demo": "Find the text on a page with PP-OCRv4 over four local boards.",
}


class LazyGroup(click.Group):
    """Loads a command's module when it is asked for: TVM takes a second to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a first use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """A command, imported, with the options that all have."""
        if name not in COMMANDS:
            return None
        return with_diagnostics(importlib.import_module(f"flexpie_tvm.cli.{name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What each does, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flexpie_tvm", prog_name="flexpie")
def main() -> None:
    """Run one inference of a network on several boards."""


def entry() -> None:
    """Entry point: errors become one line and an exit code."""
    os.environ.setdefault("TOPHUB_LOCATION", "NONE")
    for quiet in ("autotvm", "strategy"):  # TVM's advice on schedules that are not taken
        logging.getLogger(quiet).setLevel(logging.ERROR)
    heed_signals()
    code = run_command(sys.argv[1:])
    if code:
        # All is closed by now. What TVM's objects would still say of boards that ended in the
        # middle of a call helps nobody, and to a board whose network is gone they may say it
        # for ever.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        result = main.main(arguments, prog_name="flexpie", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Abort:
        return _fail("interrupted", INTERRUPTED)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except Exception as error:
        if was_interrupted(error):
            return _fail("interrupted", INTERRUPTED)
        if DEBUG in arguments:
            traceback.print_exception(error)
        return _fail(*_explained(error))


def _explained(error: Exception) -> tuple[str, int]:
    """One line and the exit code."""
    from ..errors import FlexPieError, VerifyError

    if isinstance(error, VerifyError):
        return str(error), 1
    if isinstance(error, FlexPieError):
        return str(error), 2
    if isinstance(error, ImportError):
        return str(error), 2
    if isinstance(error, OSError):  # a file that cannot be written, a full disk
        return f"{error.filename or 'system'}: {error.strerror or error}", 2
    if type(error).__module__.startswith("tvm."):
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else type(error).__name__
        return f"TVM cannot compile or run this model: {reason}", 2
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = f"{type(error).__name__}: {lines[0][:300] if lines else 'no reason given'}"
    return f"internal error, {reason} (give {DEBUG} for its traceback)", UNFORESEEN


def _fail(message: str, code: int) -> int:
    click.echo(f"flexpie: {message}", err=True)
    return code
