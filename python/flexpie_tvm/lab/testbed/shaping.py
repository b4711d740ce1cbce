# SPDX-License-Identifier: Apache-2.0
"""Rates and latencies of links, as arguments of ``tc``.

A token bucket lets its burst through at once, so the burst must be small beside a slice: it is
what the link carries in 100 us. A packet larger than the burst would be cut by the kernel, one
segment at a time, so the devices are told to make none.
"""

from __future__ import annotations

BURST_SECONDS = 100e-6
QUEUE_SECONDS = 50e-3
FRAME = 1514  # bytes of an Ethernet frame as tbf counts it
LARGEST_PACKET = 65536


def burst_bytes(rate: float) -> int:
    """Bytes that a link of ``rate`` bits per second may send at once."""
    return int(min(max(rate * BURST_SECONDS / 8, 2 * FRAME), 2 * LARGEST_PACKET))


def packet_bytes(rate: float) -> int:
    """The largest packet, of several segments: half the bucket, so a late timer loses nothing."""
    return min(LARGEST_PACKET, burst_bytes(rate) // 2)


def queue_bytes(rate: float) -> int:
    """Bytes that wait before packets are dropped: 50 ms, so that incast does not time out."""
    return max(256 * 1024, int(rate * QUEUE_SECONDS / 8))


def rate_arguments(device: str, rate: float) -> str:
    """Arguments of ``tc`` that limit what a device sends to ``rate`` bits per second."""
    return (
        f"qdisc add dev {device} root handle 1: tbf rate {rate:.0f}bit "
        f"burst {burst_bytes(rate)} limit {queue_bytes(rate)}"
    )


def latency_arguments(device: str, seconds: float) -> str:
    """Arguments of ``tc`` that delay what a rate-limited device sends."""
    return (
        f"qdisc add dev {device} parent 1:1 handle 10: netem delay {seconds * 1e6:.0f}us "
        "limit 100000"
    )
