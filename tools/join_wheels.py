# SPDX-License-Identifier: Apache-2.0
"""Put the native runtimes of all wheels into each: a host uploads those of its boards.

    python tools/join_wheels.py WHEEL WHEEL ... FOLDER

It needs the package ``wheel``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def join(wheels: Sequence[Path], folder: Path) -> None:
    """Write wheels of the same names that each have all architectures' runtimes.

    Parameters
    ----------
    wheels : sequence of Path
        One for each architecture, of one version.
    folder : Path
        Where the joined ones go; made if needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        unpacked = [_unpack(wheel, Path(scratch) / str(k)) for k, wheel in enumerate(wheels)]
        natives = [native for root in unpacked for native in root.glob("flexpie_tvm/native/*")]
        for root in unpacked:
            for native in natives:
                target = root / "flexpie_tvm" / "native" / native.name
                if not target.exists():
                    shutil.copytree(native, target)
            _wheel("pack", root, "--dest-dir", folder)


def _unpack(wheel: Path, folder: Path) -> Path:
    _wheel("unpack", wheel, "--dest", folder)
    (root,) = folder.iterdir()
    return root


def _wheel(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "wheel", *map(str, arguments)], check=True)


if __name__ == "__main__":
    *given, last = map(Path, sys.argv[1:])
    join(given, last)
