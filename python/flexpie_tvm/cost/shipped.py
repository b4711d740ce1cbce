# SPDX-License-Identifier: Apache-2.0
"""Cost models that come with the package, for boards that many users have."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ..machine import described, known_board
from ..machine.board_data import counted_as
from .cost_file import load_cost
from .host_calls import with_calls
from .learned import Learned

MODELS = Path(__file__).parent / "models"
# What kernels and their block sizes depend on most, among processors of x86-64.
VECTORS = "avx512f"


def shipped_cost(target: str, threads: int) -> Learned | None:
    """The packaged cost model for boards of a target and a number of threads.

    Parameters
    ----------
    target : str
        TVM target of the boards' kernels.
    threads : int
        Threads of each board's kernels.

    Returns
    -------
    cost : Learned or None
        The one that was measured with just these; else one that was measured on another
        processor with the same vectors (its `origin` tells), whose kernels relate to each other
        much as the boards' do; None if there is neither.
    """
    like = None
    for path in sorted(MODELS.glob("*.cost")):
        cost = with_calls(load_cost(path))
        measured = cost.origin.setting
        if measured.threads != threads:
            continue
        if measured.target == target:
            return cost
        if like is None and _alike(measured.target, target):
            like = cost
    return like


def shipped_core(mcpu: str) -> Learned | None:
    """The packaged cost model of tiles that were modelled for a core of aarch64.

    Parameters
    ----------
    mcpu : str
        LLVM's name of the core, such as ``cortex-a72``.

    Returns
    -------
    cost : Learned or None
        Of the board and the threads that its `origin` tells; None if no such core was modelled.
    """
    path = MODELS / f"aarch64-{counted_as(mcpu)}.cost"
    if not path.is_file():
        return None
    cost = load_cost(path)
    return with_calls(cost, known_board(cost.origin.setting.board_kind).big.ghz)


def shipped_modelled(target: str) -> Learned | None:
    """`shipped_core` for the cores of a TVM target; None for other architectures.

    Parameters
    ----------
    target : str
        The target's text.
    """
    processor = described(target)
    return shipped_core(processor.mcpu) if processor.triple.startswith("aarch64") else None


def shipped_like(target: str) -> list[Learned]:
    """The packaged cost models of processors like those of a target, whatever their threads.

    Parameters
    ----------
    target : str
        TVM target of the boards' kernels.
    """
    modelled = shipped_modelled(target)
    if modelled is not None:
        return [modelled]
    found = map(load_cost, sorted(MODELS.glob("x86_64-*.cost")))
    return [cost for cost in found if _alike(cost.origin.setting.target, target)]


def _alike(first: str, second: str) -> bool:
    """Whether both targets have wide vectors, and code for one machine is no other's code."""
    # by name, because TVM tells no types; here, because planning itself needs no TVM, and a TVM
    # without Relay is told elsewhere
    tvm, codegen = import_module("tvm"), import_module("tvm.target.codegen")
    targets = [tvm.target.Target(text) for text in (first, second)]
    return all(
        target.kind.name == "llvm"
        and not target.attrs.get("mtriple")
        and codegen.target_has_features(VECTORS, target)
        for target in targets
    )
