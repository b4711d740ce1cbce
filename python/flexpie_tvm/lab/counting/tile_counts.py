# SPDX-License-Identifier: Apache-2.0
"""Count the tiles of a batch in one guest, each between other layers as in a running model."""

from __future__ import annotations

import json
from pathlib import Path

from ...machine.board_data import Counts
from ..profiler.kernels import Batch, KernelCall
from .cpus import CountedCpu
from .guest import Job, count
from .profile import CodeCost, profile_of

CALLS = ".calls.json"


def count_batch(batch: Batch, cpu: CountedCpu, model: str) -> list[Counts | None]:
    """What each tile of a batch executes.

    Parameters
    ----------
    batch : Batch
        Compiled for aarch64.
    cpu : CountedCpu
        Whose caches are simulated.
    model : str
        Of llvm-mca.

    Returns
    -------
    counts : list of Counts or None
        None for tiles that call nothing.

    Raises
    ------
    ToolError
        If qemu is missing, or the guest fails.
    """
    calls = {call.name: call for tile in batch.tiles for call in tile.calls}
    library = Path(batch.library)
    Path(f"{library}{CALLS}").write_text(json.dumps([_plain(call) for call in calls.values()]))
    counted = profile_of(count(Job("tiles", str(library), {}), cpu), (model,))
    costs: dict[str, CodeCost] = {}
    for kernel in counted.kernels:
        if kernel.library == library.name:
            name = kernel.name.removesuffix("_compute_")
            costs[name] = costs.get(name, CodeCost()) + kernel.cost
    return [_counts([costs.get(c.name, CodeCost()) for c in tile.calls]) for tile in batch.tiles]


def _plain(call: KernelCall) -> list:
    return [call.name, [[list(shape), dtype] for shape, dtype in call.tensors], call.roles]


def _counts(costs: list[CodeCost]) -> Counts | None:
    if not costs:
        return None
    whole = sum(costs, CodeCost())
    return Counts(whole.cycles, whole.l2_misses, len(costs))
