# SPDX-License-Identifier: Apache-2.0
"""``flexpie testbed``: a cluster of boards on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ..errors import ClusterError
from ..lab import testbed
from ..lab.testbed import STATE_FOLDER, TestbedOptions, TestbedRecord
from ..plan.model.cluster import parse_bandwidth
from ..plan.model.cluster_file import parse_bytes, parse_seconds
from .options import OutputFile
from .progress import step
from .table import print_table
from .taken_boards import secure_option

SLOW_LINK = 0.85

_folder = click.option(
    "--state",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=STATE_FOLDER,
    show_default=True,
    help="Where the state of testbeds is kept.",
)
_name = click.option("--name", default="testbed", show_default=True, help="Name of the testbed.")


@click.group("testbed")
def command() -> None:
    """Boards of their own on this machine: network namespaces with stock TVM RPC servers.

    Needs root. Each board has a link of a given rate and a share of a core.
    """


@command.command("up")
@click.option("--boards", type=int, default=2, show_default=True, help="Number of boards.")
@click.option("--bandwidth", default="1Gbps", show_default=True, help="Of a board's link.")
@click.option("--latency", default="0s", help="From board to board, such as 0.2ms.")
@click.option(
    "--topology",
    type=click.Choice(testbed.TOPOLOGIES),
    default="mesh",
    show_default=True,
    help="Who reaches whom: everybody, ring neighbours, everybody the first board.",
)
@click.option("--host-bandwidth", help="Of this machine's link (default: like a board's).")
@click.option(
    "--cpu",
    type=click.FloatRange(0, 1, min_open=True),
    help="Cores of the fastest board (default: as much as there is, at most 1).",
)
@click.option("--memory", help="Of each board, such as 512MB (default: no limit).")
@click.option("--speeds", help="Relative speeds, such as 1,1,0.5,0.5.")
@click.option("--arch", help="x86_64 or aarch64, of all boards, or one each: x86_64,aarch64.")
@click.option("--threads", type=int, default=1, show_default=True, help="Of a board's kernels.")
@secure_option
@_name
@_folder
def up(name: str, folder: Path, **given: object) -> None:
    """Bring a testbed up; it stays until it is taken down."""
    options = parse_options(**given)
    with step("Bringing the testbed up"):
        record = testbed.up(options, name, folder)
    show(record)


@command.command("down")
@click.option("--all", "everything", is_flag=True, help="All testbeds of this machine.")
@_name
@_folder
def down(name: str, folder: Path, everything: bool) -> None:
    """Remove a testbed, and those that killed programs have left."""
    left = testbed.clear_orphans(folder)
    known = [record.name for record in testbed.records(folder)]
    wanted = known if everything else [name] if name in known or not left else []
    for one in wanted:
        testbed.down(one, folder)
    for one in (*left, *wanted):
        click.echo(f"testbed '{one}' is removed")


@command.command("status")
@click.option("--json", "output", type=OutputFile(), help="Also write it to this file.")
@_folder
def status(folder: Path, output: Path | None) -> None:
    """List testbeds: boards, tracker address and measured rates of links."""
    testbed.check_system()
    found = testbed.records(folder)
    if output:
        output.write_text(json.dumps([asdict(record) for record in found], indent=1) + "\n")
    if not found:
        click.echo("no testbed is up")
    for record in found:
        show(record)


@command.command("prepare")
@click.option(
    "--arch",
    type=click.Choice(testbed.ARCHITECTURES),
    default="aarch64",
    show_default=True,
    help="Architecture of emulated boards.",
)
def prepare(arch: str) -> None:
    """Fetch what emulated boards need into the cache; 'up' does it otherwise. Needs no root."""
    with step(f"Preparing {arch} boards"):
        python = testbed.board_python(arch)
    click.echo(f"{arch} boards run {' '.join(python.command)}")


def parse_options(
    boards: int,
    bandwidth: str,
    latency: str,
    topology: str,
    host_bandwidth: str | None,
    cpu: float | None,
    memory: str | None,
    speeds: str | None,
    arch: str | None,
    threads: int,
    secure: Path | None = None,
) -> TestbedOptions:
    """The options as a user writes them.

    Raises
    ------
    PlanError, ClusterError
        If a value cannot be read or makes no sense.
    """
    return TestbedOptions(
        boards,
        parse_bandwidth(bandwidth),
        parse_seconds(latency),
        topology,
        parse_bandwidth(host_bandwidth) if host_bandwidth else 0.0,
        cpu or 0.0,
        parse_speeds(speeds) if speeds else (),
        parse_bytes(memory) if memory else 0,
        tuple(arch.split(",")) if arch else (),
        threads,
        str(secure.absolute()) if secure else "",
    )


def parse_speeds(text: str) -> tuple[float, ...]:
    """Numbers between commas; ``ClusterError`` if one is none."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ClusterError(f"speeds '{text}' are not numbers such as 1,1,0.5,0.5") from None


def show(record: TestbedRecord) -> None:
    """Print a testbed."""
    bed, options = testbed.describe(record), record.options
    notes = "" if record.ready else " (not complete: it is coming up, or what a killed run left)"
    click.echo(f"testbed '{record.name}': {bed.boards} boards, {options.topology}{notes}")
    if options.latency:
        by = "netem" if record.netem else "the boards' runtime (this kernel has no netem)"
        click.echo(f"  latency {options.latency * 1e3:g} ms, made by {by}")
    secure = f" --secure {click.format_filename(options.secure)}" if options.secure else ""
    click.echo(f"  --tracker {bed.host}:{bed.port} --key {bed.key}{secure}")
    alive = testbed.running(record)
    rows = [
        [f"board {rank}", address, arch, "runs" if runs else "ended"]
        for rank, (address, arch, runs) in enumerate(
            zip(map(record.network.address, range(bed.boards)), options.arch_of, alive, strict=True)
        )
    ]
    print_table(["board", "address", "arch", "server"], rows)
    asked = {cable.name: cable.rate for cable in record.network.cables}
    print_table(
        ["link", "asked Mb/s", "measured Mb/s", ""],
        [rate_row(link, asked[link.rpartition(" ")[0]], rate) for link, rate in bed.rates.items()],
    )


def rate_row(link: str, asked: float, rate: float) -> list[str]:
    """A link, what it should do and what it does."""
    slow = "slow: this machine does no more" if rate < SLOW_LINK * asked else ""
    return [link, f"{asked / 1e6:.0f}", f"{rate / 1e6:.0f}", slow]
