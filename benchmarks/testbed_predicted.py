# SPDX-License-Identifier: Apache-2.0
"""Networks on a testbed: what a calibration there predicts, and what they take.

    python benchmarks/testbed_predicted.py calibrate --work DIR [--base FILE]
    python benchmarks/testbed_predicted.py build --work DIR [--networks mobilenet ...]
    python benchmarks/testbed_predicted.py measure --work DIR
    python benchmarks/testbed_predicted.py compare --work DIR

Boards with less than a core (``--cpu``) are planned for with that speed: a tile is timed alone
and shorter than the time that a board has before it must pause, so it is timed at full speed.

Needs root. The steps may be run at different times: only ``calibrate`` and ``measure`` need the
machine for themselves. Each network is cut as the planner cuts it by the calibration, and in two
plain ways; latencies are end to end (scatter, run, gather), the median of rounds in turns.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean, median

import numpy as np

from flexpie_tvm.cost import load_cost
from flexpie_tvm.lab.bench import find_network
from flexpie_tvm.lab.bench.networks import Network
from flexpie_tvm.lab.bench.prepare import BenchModel
from flexpie_tvm.lab.bench.spent import TimeCounter
from flexpie_tvm.lab.testbed import TestbedOptions, testbed
from flexpie_tvm.plan import evaluate
from flexpie_tvm.plan.predict.simulate import simulate
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.runtime import Cluster, load_artifact
from flexpie_tvm.runtime.latency import timed
from flexpie_tvm.testing.onnx_networks import bert

NETWORKS = ("squeezenet", "mobilenet", "resnet18", "ppocr_det", "ppocr_cls", "transformer")
WAYS = ("auto", "InH", "OutC")
ROUNDS, WARM_UP, SECONDS = 5, 3, 0.35
SPENT = ("compute", "wait", "pack", "wire")


def main() -> None:
    """Do one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("calibrate", "build", "measure", "compare"))
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--boards", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--bandwidth", type=float, default=1e9, help="Bits per second.")
    parser.add_argument("--cpu", type=float, default=0, help="Cores of each board.")
    parser.add_argument("--seconds", type=float, default=100, help="Of a calibration.")
    parser.add_argument("--base", type=Path, help="Cost model to calibrate; a packaged one.")
    parser.add_argument("--cost", type=Path, help="Plan, or predict, by this one instead.")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    for boards in asked.boards:
        options = TestbedOptions(boards, asked.bandwidth, cpu=asked.cpu)
        if asked.step == "calibrate":
            calibrate(options, asked)
        elif asked.step == "build":
            build(options, asked.networks, asked.work, asked.cost)
        elif asked.step == "measure":
            measure(options, asked.work)
        else:
            compare(options, asked.work, asked.cost)


def calibrate(options: TestbedOptions, asked: argparse.Namespace) -> None:
    """``flexpie calibrate`` on the boards of a testbed."""
    base = ["--base", str(asked.base)] if asked.base else []
    with testbed(options, folder=asked.work / "beds") as bed:
        subprocess.run(
            [
                sys.executable, "-m", "flexpie_command", "calibrate",
                "--tracker", f"{bed.host}:{bed.port}", "--key", bed.key,
                "--boards", str(options.boards), "--bandwidth", f"{options.bandwidth / 1e9:g}Gbps",
                "--seconds", str(asked.seconds), *base, "-o", str(_cost(options, asked.work)),
            ],
            check=True,
        )  # fmt: skip


def build(options: TestbedOptions, networks: Sequence[str], work: Path, other: Path | None) -> None:
    """Plan and compile; what is there is kept."""
    cost = load_cost(other or _cost(options, work))
    for name in networks:
        network = _network(name, work)
        model = BenchModel(network, host_target(), work / "artifacts", lambda text: None)
        for way in WAYS:
            file = work / f"{name}-{options.boards}-{way}.plan"
            if file.is_file():
                continue
            made = model.plan(way, options.cluster, cost)
            file.write_bytes(pickle.dumps((made.artifact.path, made.graph, made.plan)))
            print(f"{file.stem}: {made.build_s:.0f} s", flush=True)


def measure(options: TestbedOptions, work: Path) -> None:
    """Latencies of all that is built for so many boards and not measured yet."""
    with testbed(options, folder=work / "beds") as bed:
        for name in dict.fromkeys(file.name.split("-")[0] for file in _plans(options, work)):
            target = work / f"{name}-{options.boards}.json"
            if target.is_file():
                continue
            plans = {f.stem: pickle.loads(f.read_bytes())[0] for f in _plans(options, work, name)}
            with Cluster.connect((bed.host, bed.port), bed.key, options.boards) as boards:
                found = _in_turns(boards, plans)
            target.write_text(json.dumps(found) + "\n")
            print(name, {k: v["ms"] for k, v in found.items()}, flush=True)


def _in_turns(boards: Cluster, plans: dict[str, Path]) -> dict[str, dict]:
    rng = np.random.default_rng(0)
    with ExitStack() as stack:
        ways = {}
        for name, path in plans.items():
            artifact = load_artifact(path)
            inputs = {p.name: rng.normal(size=p.shape).astype(p.dtype) for p in artifact.inputs}
            ways[name] = (stack.enter_context(boards.deploy(artifact)), inputs)
        times: dict[str, list[float]] = {name: [] for name in ways}
        spent = {}
        for number in range(1 + ROUNDS):
            for name, (deployment, inputs) in ways.items():
                once = min(timed(lambda d=deployment, i=inputs: d.run(i)) for _ in range(WARM_UP))
                repeat = int(np.clip(SECONDS * 1e3 / once, 5, 200))
                found = [timed(lambda d=deployment, i=inputs: d.run(i)) for _ in range(repeat)]
                if number:
                    times[name].append(median(found))
        for name, (deployment, inputs) in ways.items():
            counter = TimeCounter(deployment)
            with counter:
                for _ in range(10):
                    deployment.run(inputs)
            spent[name] = [
                {part: getattr(board, part) for part in SPENT} for board in counter.boards()
            ]
        return {n: {"ms": median(t), "rounds": t, "spent": spent[n]} for n, t in times.items()}


def compare(options: TestbedOptions, work: Path, other: Path | None) -> None:
    """A table, and mean and median of absolute errors."""
    cost = load_cost(other or _cost(options, work))
    print(f"\n{options.boards} boards, {cost.name}")
    print("| network | way | measured ms | predicted ms | error | tiles, exchanges, host, calls |")
    print("| --- | --- | --- | --- | --- | --- |")
    errors = []
    for name, way, ms, graph, plan in _measured(options, work):
        said = simulate(graph, plan, cost).latency
        parts = evaluate(graph, plan, cost)
        tiles = sum(float(times.max()) for times in parts.compute.values())
        host = sum(parts.scatter.values()) + sum(parts.gather.values())
        shares = (tiles, sum(parts.exchange.values()), host, parts.calls)
        errors.append(abs(said / ms - 1))
        told = ", ".join(f"{share:.2f}" for share in shares)
        print(f"| {name} | {way} | {ms:.2f} | {said:.2f} | {said / ms - 1:+.0%} | {told} |")
    print(f"mean of absolute errors {mean(errors):.1%}, median {median(errors):.1%}")


def _measured(options: TestbedOptions, work: Path) -> Iterator[tuple]:
    for file in sorted(work.glob(f"*-{options.boards}.json")):
        for stem, found in json.loads(file.read_text()).items():
            _, graph, plan = pickle.loads((work / f"{stem}.plan").read_bytes())
            name, _, way = stem.split("-", 2)
            yield name, way, found["ms"], graph, plan


def _plans(options: TestbedOptions, work: Path, name: str = "*") -> list[Path]:
    return sorted(work.glob(f"{name}-{options.boards}-*.plan"))


def _cost(options: TestbedOptions, work: Path) -> Path:
    return work / f"{options.boards}x{options.bandwidth / 1e6:g}.cost"


def _network(name: str, work: Path) -> Network:
    if name != "transformer":
        return find_network(name, {}, work / "networks")
    folder = work / "networks" / "transformer"
    folder.mkdir(parents=True, exist_ok=True)
    return Network(name, bert(folder, layers=2, hidden=256, heads=4, tokens=64), {})


if __name__ == "__main__":
    main()
