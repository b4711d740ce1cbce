# SPDX-License-Identifier: Apache-2.0
"""Make a testbed's network of namespaces, a bridge and veth pairs, and remove it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ...errors import ClusterError
from .commands import NETNS_FOLDER, batch, inside, run
from .network import BoardNetwork, Cable
from .shaping import latency_arguments, packet_bytes, rate_arguments

# Boards must not route for each other, and answer for their address on every cable.
SETTINGS = {
    "ipv4/ip_forward": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/conf/all/arp_ignore": 0,
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
}


def make_network(network: BoardNetwork, netem: bool = False) -> None:
    """Make namespaces, cables, addresses, routes and rates.

    Parameters
    ----------
    network : BoardNetwork
        What to make.
    netem : bool
        Whether the kernel should delay packets.

    Raises
    ------
    ClusterError
        If the kernel refuses; ``remove_network`` then removes what was made.
    """
    for namespace in network.namespaces:
        run("ip", "netns", "add", namespace)
        inside(namespace, _configure)
    batch("ip", None, [_cable(cable) for cable in network.cables])
    _make_switch(network)
    for rank in range(network.options.boards):
        _make_board(network, rank)
    device = network.host_device
    batch(
        "ip", None, [f"address add {network.host_address}/24 dev {device}", f"link set {device} up"]
    )
    for cable in network.cables:
        _shape(network, cable, netem)


def remove_network(network: BoardNetwork) -> None:
    """Remove what `make_network` made, as far as it is there."""
    device = network.host_device
    if Path("/sys/class/net", device).exists():
        # together with its other end
        subprocess.run(["ip", "link", "delete", device], capture_output=True)
    for namespace in network.namespaces:
        if os.path.exists(f"{NETNS_FOLDER}/{namespace}"):
            run("ip", "netns", "delete", namespace)


def has_netem() -> bool:
    """Whether the kernel can delay packets."""
    probe = f"flexpie-probe-{os.getpid()}"
    run("ip", "netns", "add", probe)
    try:
        command = ["tc", "-n", probe, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
        return subprocess.run(command, capture_output=True).returncode == 0
    finally:
        run("ip", "netns", "delete", probe)


def _configure() -> None:
    for name, value in SETTINGS.items():
        path = Path("/proc/sys/net", name)
        if path.exists():  # a kernel without IPv6 has nothing to switch off
            path.write_text(f"{value}\n")


def _cable(cable: Cable) -> str:
    (a, b), size = cable.ends, packet_bytes(cable.rate)
    at = f" netns {a.namespace}" if a.namespace else ""
    return (
        f"link add {a.device}{at} gso_max_size {size} "
        f"type veth peer name {b.device} netns {b.namespace} gso_max_size {size}"
    )


def _make_switch(network: BoardNetwork) -> None:
    ports = [cable.ends[1].device for cable in (network.host_cable, *network.board_cables)]
    lines = ["link set lo up", "link add bridge0 type bridge", "link set bridge0 up"]
    lines += [f"address add {network.tracker_address}/24 dev bridge0"]
    for port in ports:
        lines += [f"link set {port} master bridge0", f"link set {port} up"]
    # What the tracker's namespace sends itself goes straight to the ports' buckets.
    size = min(packet_bytes(cable.rate) for cable in (network.host_cable, *network.board_cables))
    lines += [f"link set bridge0 gso_max_size {size}"]
    batch("ip", network.switch, lines)
    apart = [rank for rank in range(network.options.boards) if network.isolated(rank)]
    batch("bridge", network.switch, [f"link set dev board{rank} isolated on" for rank in apart])


def _make_board(network: BoardNetwork, rank: int) -> None:
    peers, own = network.peers(rank), network.address(rank)
    devices = sorted({"eth0", *peers.values()})
    lines = ["link set lo up", *(f"link set {device} up" for device in devices)]
    lines += [f"address add {own}/32 dev eth0"]
    ways = {network.host_address: "eth0", network.tracker_address: "eth0"}
    ways |= {network.address(peer): device for peer, device in peers.items()}
    lines += [f"route add {to}/32 dev {device} src {own}" for to, device in ways.items()]
    batch("ip", network.board(rank), lines)


def _shape(network: BoardNetwork, cable: Cable, netem: bool) -> None:
    for end in cable.ends:
        lines = [rate_arguments(end.device, cable.rate)]
        # once on every way: where the switch sends, or on both ends of a ring's cable
        if netem and (end.namespace == network.switch or cable in network.ring_cables):
            lines.append(latency_arguments(end.device, network.options.latency))
        try:
            batch("tc", end.namespace, lines)
        except ClusterError as error:
            raise ClusterError(f"link {cable.name} cannot be shaped: {error}") from None
