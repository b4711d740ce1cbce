# SPDX-License-Identifier: Apache-2.0
"""Cycles by llvm-mca: what a processor's pipelines need for loops whose data are in L1."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from .cpus import TRIPLE
from .loops import Loop
from .programs import llvm_tool, run

#: LLVM has no model of the Cortex-A76; its sibling for servers, the Neoverse-N1, has the same core.
MODELS = ("cortex-a72", "neoverse-n1", "cortex-a55", "cortex-a53")
FEATURES = "+dotprod,+fullfp16"
#: Share of all instructions that is looked at; the rest is taken to run at the same pace.
COVERED = 0.98
_PASSES = 100
_UNSUPPORTED = "-skip-unsupported-instructions=any"


def hottest(loops: Sequence[Loop], share: float = COVERED) -> list[Loop]:
    """The fewest loops that execute a share of all instructions, the hottest first."""
    whole = sum(loop.instructions for loop in loops)
    found, done = [], 0
    for loop in sorted(loops, key=lambda k: (-k.instructions, k.address)):
        if done >= share * whole:
            break
        found.append(loop)
        done += loop.instructions
    return found


def cycles(
    loops: Sequence[Loop],
    texts: Mapping[int, str],
    model: str,
    triple: str = TRIPLE,
    features: str = FEATURES,
) -> list[float]:
    """Cycles of all passes of each loop on one processor.

    Parameters
    ----------
    loops : sequence of Loop
        Not empty.
    texts : mapping
        Instruction word -> assembly text, of `disassemble`.
    model : str
        One of ``MODELS``, or LLVM's name of a processor of another architecture.
    triple, features : str
        Of that architecture, as LLVM calls them.
    """
    regions = []
    for number, loop in enumerate(loops):
        body = [texts.get(word, "nop") for word in loop.words]
        regions += [f"# LLVM-MCA-BEGIN {number}", *body, "# LLVM-MCA-END"]
    options = [f"-mtriple={triple}", f"-mcpu={model}", f"-mattr={features}", "--json"]
    command = [llvm_tool("llvm-mca"), *options, f"-iterations={_PASSES}", _UNSUPPORTED]
    report = json.loads(run(command, given="\n".join(regions) + "\n"))
    per_pass = {
        int(region["Name"]): region["SummaryView"]["TotalCycles"] / _PASSES
        for region in report["CodeRegions"]
    }
    return [per_pass.get(k, 0.0) * loop.passes for k, loop in enumerate(loops)]
