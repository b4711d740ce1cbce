# SPDX-License-Identifier: Apache-2.0
"""Kernels as object files, each compiled by itself and kept for the next build."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tvm
from tvm import relay
from tvm.contrib.cc import create_executable
from tvm.relay.backend import te_compiler

from ..kernels.configs import Measured
from ..kernels.context import LOWERED_CONFIG, build_context, context_over
from .build_cache import BuildCache
from .kernel_calls import OutlinedKernels

_SUFFIX = ".o"


def kernel_objects(
    outlined: OutlinedKernels,
    target: tvm.target.Target,
    folder: Path,
    cache: BuildCache,
    measured: Measured | None = None,
) -> dict[str, Path]:
    """An object file for each kernel: from the cache, or compiled now and kept there.

    Parameters
    ----------
    outlined : OutlinedKernels
        The kernels of modules whose layouts are chosen.
    target : tvm.target.Target
        Of the boards, with our key (`keyed`).
    folder : Path
        Where the files are written.
    cache : BuildCache
        What was compiled before.
    measured : mapping, optional
        Configurations of kernels, as of `build_boards`.

    Returns
    -------
    objects : dict
        Symbol -> file.
    """
    objects = {symbol: folder / f"{symbol}{_SUFFIX}" for symbol in outlined.kernels}
    missing = {
        symbol: function
        for symbol, function in outlined.kernels.items()
        if cache.fetch(outlined.keys[symbol], folder) is None
    }
    compile_kernels(missing, target, objects, measured)
    cache.keep_all({outlined.keys[symbol]: [objects[symbol]] for symbol in missing})
    cache.kernels_found += len(objects) - len(missing)
    cache.kernels_compiled += len(missing)
    return objects


def compile_kernels(
    kernels: Mapping[str, relay.Function],
    target: tvm.target.Target,
    objects: Mapping[str, Path],
    measured: Measured | None = None,
) -> None:
    """Schedule and compile primitive functions, each into its own file.

    Parameters
    ----------
    kernels : mapping
        Symbol -> function.
    target, measured
        As of `kernel_objects`.
    objects : mapping
        Symbol -> the file to write.
    """
    # a kernel is scheduled in Python, one at a time; LLVM holds no lock of Python's meanwhile
    with ThreadPoolExecutor(_threads(target)) as pool:
        written = []
        for symbol, function in kernels.items():
            lowered = _lowered(symbol, function, target, measured)
            context = context_over(LOWERED_CONFIG)  # of this thread: each has its own
            written.append(pool.submit(_write_object, lowered, context, objects[symbol]))
    for done in written:
        done.result()


def _threads(target: tvm.target.Target) -> int:
    """How many may be in LLVM at once: options that a target sets there are the whole process's."""
    return 1 if "cl-opt" in target.attrs else len(os.sched_getaffinity(0))


def _lowered(
    symbol: str, function: relay.Function, target: tvm.target.Target, measured: Measured | None
) -> tvm.IRModule:
    """A kernel's loops, under its name."""
    compiler = te_compiler.get()
    compiler.clear()  # it knows functions, but not what else decides their code
    with build_context(laid_out=True, measured=measured):
        lowered = compiler.lower(function, target)
    compiler.clear()
    ((_, body),) = lowered.funcs.functions.items()
    body = body.with_attr("global_symbol", symbol).with_attr("target", target)
    return tvm.IRModule({symbol: body})


def _write_object(lowered: tvm.IRModule, context: tvm.transform.PassContext, path: Path) -> None:
    (body,) = lowered.functions.values()
    with context:
        tvm.build(lowered, target=body.attrs["target"]).save(str(path))


def join_objects(objects: Sequence[Path], path: Path, cc: str | None) -> Path:
    """One object file of several, by a linker; the host's if there is none. One is itself."""
    if len(objects) == 1:
        return objects[0]
    # a compiler reads what a file lists: a command takes only so many names
    listed = path.with_suffix(".list")
    listed.write_text("\n".join(f'"{file}"' for file in objects), "utf-8")
    create_executable(str(path), [f"@{listed}"], ["-r", "-nostdlib"], cc)
    return path
