# SPDX-License-Identifier: Apache-2.0
"""Measurements -> Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from ..bench.markdown import table
from .cycles import MODELS
from .engines import NCNN, ONNXRUNTIME
from .measure import WHOLE, Inference, NetworkCounts
from .profile import CodeCost, Kernel

OURS = "flexpie"
MODEL_NAMES = dict(zip(MODELS, ("A72", "N1", "A55", "A53"), strict=True))
_MILLION = 1e6
_SMALL = 0.005  # share of a kernel that is not worth a row
#: What ours is divided by others' in.
_RATIOS: dict[str, Callable[[CodeCost], float]] = {
    "instructions": lambda cost: cost.instructions,
    **{name: (lambda cost, m=model: cost.cycles.get(m, 0)) for model, name in MODEL_NAMES.items()},
    "L2 misses": lambda cost: cost.l2_misses,
}

_HEAD = f"""\
# aarch64 code, counted

    {{command}}

One inference on one thread, the second of a process, under qemu with a plugin that counts:
[docs/counting.md](../docs/counting.md). Beside ours: TVM's own kernels with register tiles, and the
aarch64 wheels of {ONNXRUNTIME.replace("==", " ")} and {NCNN.replace("==", " ")} with their
defaults (ncnn keeps tensors in fp16).

M: millions. MAC: multiply-accumulates of the network computed plainly; Winograd needs fewer. Cycles
are llvm-mca's for code whose data are in L1; misses are those of simulated caches without
prefetcher. Error: largest difference from onnxruntime's answers on x86-64, relative to their range.
"""


def report(all_measured: Sequence[NetworkCounts], command: str, kernels: int) -> str:
    """All tables.

    Parameters
    ----------
    all_measured : sequence of NetworkCounts
        In the order of rows.
    command : str
        What makes the report anew.
    kernels : int
        How many of the hottest kernels of each engine to list.
    """
    parts = [_HEAD.format(command=command).rstrip()]
    counted = [m for m in all_measured if m.engines or m.refused]
    if counted:
        parts += ["## One board", _whole(counted)]
    for other in ("onnxruntime", "ncnn", "tvm"):
        pairs = [m for m in counted if OURS in m.engines and other in m.engines]
        if pairs:
            parts += [f"## Ours / {other}", _ratios(pairs, other)]
    if any(m.tiles for m in all_measured):
        parts += ["## Boards that share a network", _TILES, _tiles(all_measured)]
    if kernels and counted:
        parts.append("## Hottest kernels")
        parts += [_kernels(m, kernels) for m in counted]
    return "\n\n".join(parts).rstrip() + "\n"


def _whole(all_measured: Sequence[NetworkCounts]) -> str:
    cycles = [f"{name} M cycles" for name in MODEL_NAMES.values()]
    misses = ["L1 misses M", "L2 misses M"]
    head = ["network", "MAC M", "board", "engine", "M instructions", *cycles, *misses, "error"]
    rows = []
    for measured in all_measured:
        first = [measured.network, _millions(measured.multiply_accumulates), measured.cpu]
        for engine, inference in measured.engines.items():
            rows.append([*first, engine, *_costs(inference.total), _error(inference.error)])
        for engine, why in measured.refused.items():
            rows.append([*first, engine, why, *[""] * (len(head) - 5)])
    return table(head, rows)


def _costs(cost: CodeCost) -> list[str]:
    cycles = [_millions(cost.cycles.get(model, 0)) for model in MODEL_NAMES]
    misses = [f"{n / _MILLION:.2f}" if cost.l1_misses else "" for n in _misses(cost)]
    return [_millions(cost.instructions), *cycles, *misses]


def _error(error: float) -> str:
    return f"{error:.0e}" if error else "0"


def _misses(cost: CodeCost) -> tuple[int, int]:
    return cost.l1_misses, cost.l2_misses


def _ratios(pairs: Sequence[NetworkCounts], other: str) -> str:
    rows, columns = [], []
    for measured in pairs:
        ours, theirs = measured.engines[OURS].total, measured.engines[other].total
        ratios = [_ratio(of(ours), of(theirs)) for of in _RATIOS.values()]
        columns.append(ratios)
        rows.append([measured.network, measured.cpu, *map(_text, ratios)])
    known = [[r for r in column if r is not None] for column in zip(*columns, strict=True)]
    rows.append(["median", "", *(_text(median(column) if column else None) for column in known)])
    return table(["network", "board", *_RATIOS], rows)


def _ratio(ours: float, theirs: float) -> float | None:
    return ours / theirs if theirs else None


def _text(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _kernels(measured: NetworkCounts, number: int) -> str:
    head = ["engine", "kernel", "M instructions", "share", "MAC M", "A72 M cycles", "L2 misses M"]
    rows = [
        row for engine, found in measured.engines.items() for row in _rows(engine, found, number)
    ]
    title = f"### {measured.network}, {measured.cpu}"
    return f"{title}\n\n{table(head, rows)}"


def _rows(engine: str, inference: Inference, number: int) -> list[list[str]]:
    rows = []
    for kernel in inference.kernels[:number]:
        cost = kernel.cost
        share = cost.instructions / inference.total.instructions
        if share < _SMALL:
            break
        products, cycles = cost.multiply_accumulates, cost.cycles.get(MODELS[0], 0)
        figures = [_millions(products), _millions(cycles), f"{cost.l2_misses / _MILLION:.2f}"]
        whole = [_millions(cost.instructions), f"{share:.0%}"]
        rows.append([engine, f"`{_name(kernel)}`", *whole, *figures])
    return rows


def _name(kernel: Kernel) -> str:
    """TVM's kernels have names; of others there is an address in a library."""
    if kernel.name and not kernel.name.startswith("0x"):
        return kernel.name.removeprefix("tvmgen_default_")
    return f"{kernel.library.partition('.')[0]} {kernel.name}".strip()


_TILES = """\
Every layer is cut in one way and nothing is computed twice. M instructions of the boards' kernels,
not of their exchanges, beside those of one board that computes all."""


def _tiles(all_measured: Sequence[NetworkCounts]) -> str:
    rows = []
    for measured in all_measured:
        whole = sum(measured.tiles.get(WHOLE, ()))
        for scheme, boards in measured.tiles.items():
            if scheme != WHOLE:
                each = " ".join(map(_millions, boards))
                figures = [_millions(whole), each, _text(_ratio(sum(boards), whole))]
                rows.append([measured.network, measured.cpu, scheme, *figures])
    return table(["network", "board", "scheme", "one board", "boards", "sum / one"], rows)


def _millions(number: float) -> str:
    return f"{number / _MILLION:.1f}" if number < 100 * _MILLION else f"{number / _MILLION:.0f}"
