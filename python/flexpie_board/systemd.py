# SPDX-License-Identifier: Apache-2.0
"""Tell systemd how the service is."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress


def systemd_notifier() -> Callable[[str], None]:
    """Tell systemd, if it has started us with ``Type=notify``; else nothing is told."""
    place = os.environ.get("NOTIFY_SOCKET")
    if not place:
        return lambda _: None
    address = "\0" + place[1:] if place.startswith("@") else place

    def notify(text: str) -> None:
        # while systemd restarts itself nobody hears, and the board is as well as before
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), address)

    return notify
