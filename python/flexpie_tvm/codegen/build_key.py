# SPDX-License-Identifier: Apache-2.0
"""Digests of all that decides what a build gives."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from functools import cache

import tvm
from tvm.target.codegen import llvm_get_system_triple, llvm_version_major

from ..fingerprint import source_files
from ..kernels.configs import Measured
from ..kernels.context import LOWER_PASSES
from .merge import merge

#: Rooms whose sources decide what a library holds.
ROOMS = ("codegen", "graph", "kernels", "machine", "passes", "relay", "runtime")


def build_key(
    boards: Sequence[tvm.IRModule],
    targets: Sequence[tvm.target.Target],
    linkers: Sequence[str | None],
    measured: Measured | None,
) -> str:
    """Digest of all that decides boards' libraries: modules with weights, targets, versions."""
    results = [len(mod["main"].body.fields) for mod in boards]
    what = results, list(map(str, targets)), list(linkers), settings(measured)
    return _digest_of(what, merge(boards))


def stock_key(
    mod: tvm.IRModule, target: tvm.target.Target | str, linker: str | None, name: str
) -> str:
    """Digest of all that decides what TVM alone makes of a module, as a file of a name."""
    return _digest_of(("TVM alone", str(target), linker, name, settings(None)), mod)


def settings(measured: Measured | None) -> tuple:
    """What decides code besides a module and a target: configurations, options, versions."""
    context = tvm.transform.PassContext.current()
    passes = context.opt_level, context.required_pass, context.disabled_pass, context.config
    return (
        sorted(map(repr, (measured or {}).items())),
        *map(str, passes),
        (tvm.__version__, llvm_version_major(), llvm_get_system_triple(), platform.machine()),
        _sources(),
    )


def is_told_by_settings() -> bool:
    """Whether `settings` tells all that the pass context around does.

    An instrument may leave passes out, and a pass over kernels does what its name does not tell.
    """
    context = tvm.transform.PassContext.current()
    return not context.instruments and LOWER_PASSES not in (context.config or {})


def _digest_of(what: tuple, mod: tvm.IRModule) -> str:
    digest = hashlib.sha256(repr(what).encode())
    digest.update(tvm.ir.save_json(mod).encode())
    return digest.hexdigest()


@cache
def _sources() -> str:
    digest = hashlib.sha256()
    for name, path in source_files(ROOMS):
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
