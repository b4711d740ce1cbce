# SPDX-License-Identifier: Apache-2.0
"""The ``flexpie`` command's way in.

It stands outside the package, because importing the package needs a TVM with Relay, and a
user without one deserves a sentence instead of a traceback.
"""

import sys


def entry() -> None:
    """Run the command line."""
    try:
        from flexpie_tvm.cli.main import entry as run
    except ImportError as error:
        print(f"flexpie: {error}", file=sys.stderr)
        sys.exit(2)
    run()
