# SPDX-License-Identifier: Apache-2.0
"""What each stage of a compilation gives, for instruments of the pass context around it."""

from __future__ import annotations

from pathlib import Path

import tvm

_PREFIX = "flexpie."
_OPTIMIZE = "FlexPiePreOptimize"


def seen(mod: tvm.IRModule, stage: str) -> tvm.IRModule:
    """A stage's result, which instruments see as that of a pass ``flexpie.<stage>``.

    Parameters
    ----------
    mod : tvm.IRModule
        What the stage gives.
    stage : str
        ``annotated``, ``board0`` (and so on) or ``kernels``.

    Returns
    -------
    mod : tvm.IRModule
        The same.
    """
    if not is_watched():
        return mod

    @tvm.transform.module_pass(opt_level=0, name=_PREFIX + stage)
    def result(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
        return mod

    return result(mod)


def is_watched() -> bool:
    """Whether the pass context around has instruments."""
    return bool(tvm.transform.PassContext.current().instruments)


@tvm.instrument.pass_instrument
class StageDump:
    """Writes the module behind each stage into a folder: ``01-imported.relay`` and so on.

    It is for ``tvm.transform.PassContext(instruments=[StageDump(folder)])`` around a compilation.
    Weights are left out. Libraries are compiled anew, not taken from a cache, as a cache cannot
    tell what an instrument does.

    Parameters
    ----------
    folder : Path
        Where the files go; it is made with the first of them.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.written: list[Path] = []

    def run_before_pass(self, mod: tvm.IRModule, info: tvm.transform.PassInfo) -> None:
        """Write the imported module."""
        if info.name == _OPTIMIZE:
            self._write(mod, "imported")

    def run_after_pass(self, mod: tvm.IRModule, info: tvm.transform.PassInfo) -> None:
        """Write what a stage gave."""
        if info.name == _OPTIMIZE:
            self._write(mod, "preoptimized")
        elif info.name.startswith(_PREFIX):
            self._write(mod, info.name.removeprefix(_PREFIX))

    def _write(self, mod: tvm.IRModule, stage: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{len(self.written) + 1:02d}-{stage}.relay"
        path.write_text(mod.astext(show_meta_data=False) + "\n", "utf-8")
        self.written.append(path)
