# SPDX-License-Identifier: Apache-2.0
"""Which machines this one reaches, whatever their programs do."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack

#: What a system needs at most to answer; on a cut link a first packet is sent again after a second.
SECONDS = 0.5
#: What a dial comes to where a system is there.
ANSWERS = (0, errno.ECONNREFUSED, errno.ECONNRESET)


def unreached(places: Mapping[int, tuple[str, int]], seconds: float = SECONDS) -> set[int]:
    """Which of some places give no sign of life.

    A system that accepts a connection is reached, and so is one that refuses it: it does so for
    programs that are frozen or gone.

    Parameters
    ----------
    places : mapping
        Name -> address and port, of which no program needs to know.
    seconds : float
        How long to wait for all of them.

    Returns
    -------
    names : set of int
        Of those that did not answer.
    """
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        mute: set[int] = set()
        for name, (host, port) in places.items():
            dial = stack.enter_context(socket.socket(_family(host), socket.SOCK_STREAM))
            dial.setblocking(False)
            try:
                error = dial.connect_ex((host, port))
            except OSError:  # a name that nobody knows
                error = errno.EHOSTUNREACH
            if error == errno.EINPROGRESS:
                selector.register(dial, selectors.EVENT_WRITE, name)
            elif error not in ANSWERS:
                mute.add(name)
        until = time.monotonic() + seconds
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) not in ANSWERS:
                    mute.add(key.data)
        return mute | {key.data for key in selector.get_map().values()}


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
