# SPDX-License-Identifier: Apache-2.0
"""The ``flexpie`` command's way in.

It stands outside the package, because importing the package needs a TVM with Relay, and a
user without one deserves a sentence instead of a traceback. A board has none and needs none:
``flexpie board`` takes a way of its own, which is there sooner and holds less memory.
"""

import sys

#: Options of all commands, which are the package's.
_OF_ALL = {"--debug", "--dump-ir"}


def entry() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["board"] and not _OF_ALL & {a.partition("=")[0] for a in sys.argv}:
        from flexpie_board.command import entry as board

        sys.exit(board(sys.argv[2:]))
    try:
        from flexpie_tvm.cli.main import entry as run
    except ImportError as error:
        print(f"flexpie: {error}", file=sys.stderr)
        sys.exit(2)
    run()


if __name__ == "__main__":
    entry()
