# SPDX-License-Identifier: Apache-2.0
"""The whole model compiled for one board, by TVM alone and by us."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tvm

from ..codegen import BuildCache
from ..plan import ClusterSpec
from ..relay import Imported, partition
from .artifact import Artifact
from .compile import build
from .single import build_single


@dataclass(frozen=True)
class Whole:
    """A model made ready for one board.

    Parameters
    ----------
    target : str
        TVM target of the board.
    library : Path or None
        What TVM alone makes of it; None if it does not compile it.
    artifact : Artifact
        What we make of it, for one board.
    model : Path
        The ONNX file.
    refused : str
        Why TVM alone does not compile it.
    """

    target: str
    library: Path | None
    artifact: Artifact
    model: Path
    refused: str = ""


def build_whole(
    mod: tvm.IRModule,
    optimized: tvm.IRModule | Imported,
    target: tvm.target.Target | str,
    model: Path,
    folder: Path,
    cache: BuildCache | None = None,
) -> Whole:
    """Compile a model whole for one board, by TVM alone and by us.

    Parameters
    ----------
    mod : tvm.IRModule
        The model as imported.
    optimized : tvm.IRModule or Imported
        The same from ``FlexPiePreOptimize``, for this target, or what `read_module` read of it.
    target : tvm.target.Target or str
        The board's.
    model : Path
        The ONNX file.
    folder : Path
        Gets ``whole.so`` and ``whole.flexpie``.
    cache : BuildCache, optional
        Where libraries are looked for and kept; by default all are built.

    Returns
    -------
    whole : Whole
        Both, or why TVM does not compile it alone.
    """
    library, refused = build_stock(mod, target, folder, cache)
    alone = build_alone(optimized, target, folder, cache)
    return Whole(str(target), library, alone, model, refused)


def build_stock(
    mod: tvm.IRModule,
    target: tvm.target.Target | str,
    folder: Path,
    cache: BuildCache | None = None,
) -> tuple[Path | None, str]:
    """``whole.so`` of a module by TVM alone, or None and why it does not compile it.

    Parameters
    ----------
    mod, target, folder, cache
        As of `build_whole`.

    Returns
    -------
    library, refused : Path or None, str
        The reason is empty where there is a library.
    """
    try:
        return build_single(mod, target, folder / "whole.so", cache=cache), ""
    except tvm.error.TVMError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return None, lines[-1][:200] if lines else type(error).__name__


def build_alone(
    optimized: tvm.IRModule | Imported,
    target: tvm.target.Target | str,
    folder: Path,
    cache: BuildCache | None = None,
) -> Artifact:
    """Our own artifact of a pre-optimized module for one board, ``whole.flexpie``."""
    planned = partition(optimized, ClusterSpec(1), "Single")
    return build(planned, target, folder / "whole.flexpie", cache=cache)
