#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count aarch64 instructions, cycles and cache misses of networks, ours beside other engines.

    .venv/bin/python benchmarks/arm.py --network mobilenet resnet18 --engine flexpie onnxruntime

No ARM board is needed: one inference runs under qemu, whose plugin counts. Building and counting
all networks takes about two hours on one core. With ``--save`` the figures are kept, and those of
all networks that were ever kept are written to ``benchmarks/ARM.md``.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flexpie_tvm.errors import FlexPieError
from flexpie_tvm.lab.bench.networks import find_network
from flexpie_tvm.lab.counting.builds import ENGINES, FLEXPIE_FP16
from flexpie_tvm.lab.counting.cpus import counted_cpu
from flexpie_tvm.lab.counting.guest import prepare_counting
from flexpie_tvm.lab.counting.measure import NetworkCounts, count_engines, count_tiles
from flexpie_tvm.lab.counting.report import OURS, report
from flexpie_tvm.lab.counting.subject import subject_of

HERE = Path(__file__).parent
RECORDS, REPORT = HERE / "records/arm", HERE / "ARM.md"
FLOAT = (
    "mobilenet",
    "resnet18",
    "resnet50",
    "vgg19",
    "inception_v1",
    "squeezenet",
    "ppocr_det",
    "ppocr_rec",
    "bert",
)
INT8 = ("int8_conv", "int8_mobile")
#: Boards of the usual kind, and for int8 also those with dot products.
CPU, DOT_PRODUCTS = "cortex-a72", "cortex-a76"
SHARED, SCHEMES = ("mobilenet", "resnet18", "ppocr_det"), ("InH", "InW", "2D-grid", "OutC")


def main() -> None:
    """Count, print, and keep what was asked for."""
    options = parse(sys.argv[1:])
    logging.getLogger("autotvm").setLevel(logging.ERROR)  # that nothing was tuned is no news
    found = []
    try:
        prepare_counting()
        for name in options.network:
            for cpu in options.cpu or cpus_of(name):
                found.append(measure(name, cpu, options))
                print(f"counted {name} on {cpu}", file=sys.stderr, flush=True)
    except FlexPieError as error:
        sys.exit(f"error: {error}")
    if options.save:
        everything = [NetworkCounts.from_json(json.loads(p.read_text())) for p in sorted_records()]
        REPORT.write_text(report(everything, "make arm", options.kernels))
    print(report(found, "benchmarks/arm.py " + " ".join(sys.argv[1:]), options.kernels))
    failed = [f"{m.network}: {m.refused[OURS]}" for m in found if OURS in m.refused]
    if failed:
        sys.exit(f"error: {failed[0]}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--network", nargs="*", default=[*FLOAT, *INT8], help="Names or ONNX files; or none.")
    usual = [engine for engine in ENGINES if engine != FLEXPIE_FP16]
    add("--engine", nargs="+", default=usual, choices=list(ENGINES))
    add("--cpu", nargs="+", help=f"Boards; {CPU}, and for int8 {DOT_PRODUCTS} too, by default.")
    add("--kernels", type=int, default=5, help="Hottest kernels to list for each engine.")
    add("--no-caches", action="store_true", help="Do not simulate caches: much faster.")
    add("--boards", type=int, default=4, help="Boards that share a network; 0 for none.")
    add("--shared", nargs="*", default=SHARED, help="Networks to cut over the boards.")
    add("--scheme", nargs="+", default=SCHEMES, help="Ways to cut.")
    add("--save", action="store_true", help=f"Keep the figures, and write {REPORT.name}.")
    return parser.parse_args(arguments)


def cpus_of(network: str) -> tuple[str, ...]:
    """The boards that a network is counted for."""
    return (CPU, DOT_PRODUCTS) if network in INT8 else (CPU,)


def measure(name: str, cpu_name: str, options: argparse.Namespace) -> NetworkCounts:
    """All figures of one network on one processor."""
    cpu = counted_cpu(cpu_name)
    with tempfile.TemporaryDirectory(prefix="flexpie-arm.") as scratch:
        folder = Path(scratch)
        subject = subject_of(find_network(name, {}, folder), folder)
        engines = [e for e in options.engine if e != "ncnn" or name not in INT8]
        measured = count_engines(
            engines, subject, cpu, folder, kernels=options.kernels, caches=not options.no_caches
        )
        measured = kept(measured) if options.save else measured
        if options.boards and name in options.shared:
            tiles = count_tiles(subject, cpu, folder, options.boards, options.scheme)
            measured = measured.updated(tiles)
        return kept(measured) if options.save else measured


def kept(measured: NetworkCounts) -> NetworkCounts:
    """Write figures beside those that are kept; an engine that was not counted keeps its own."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    path = RECORDS / f"{measured.network}-{measured.cpu}.json"
    if path.is_file():
        measured = NetworkCounts.from_json(json.loads(path.read_text())).updated(measured)
    path.write_text(json.dumps(measured.to_json(), indent=1) + "\n")
    return measured


def sorted_records() -> list[Path]:
    """Kept figures in the order of the report."""
    order = {name: k for k, name in enumerate((*FLOAT, *INT8))}

    def key(path: Path) -> tuple[int, str]:
        return order.get(json.loads(path.read_text())["network"], len(order)), path.name

    return sorted(RECORDS.glob("*.json"), key=key)


if __name__ == "__main__":
    main()
