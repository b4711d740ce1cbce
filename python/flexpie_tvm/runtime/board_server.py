# SPDX-License-Identifier: Apache-2.0
"""A stock TVM RPC server in one process that ends when it no longer listens.

TVM's own program lives on when the thread that listens has died, as it does after a session's
process was killed, after a host broke off its connection, and after a few odd bytes. Whoever
started this one sees it end and starts another. It also gives up sessions whose host is gone
without a word: its connections ask for a sign of life (sessions inherit that).

This file needs nothing but TVM's runtime.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import socket
import tempfile

from tvm.rpc.server import PopenRPCServerState

#: Unanswered signs of life after which a host is gone.
PROBES = 3


def main() -> None:
    """Serve until nobody listens any more; exit code 1 then."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--port-end", type=int, required=True)
    parser.add_argument("--tracker", required=True, metavar="HOST:PORT")
    parser.add_argument("--key", required=True)
    parser.add_argument("--custom-addr")
    parser.add_argument("--work", required=True, help="Folder of what sessions upload.")
    parser.add_argument("--memory", type=int, help="Bytes of data of a process at most.")
    parser.add_argument("--alive", type=int, default=30, help="Seconds without a sign of life.")
    options = parser.parse_args()
    if options.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory, options.memory))
    tempfile.tempdir = options.work
    host, _, port = options.tracker.rpartition(":")
    server = PopenRPCServerState(
        options.host,
        options.port,
        options.port_end,
        tracker_addr=(host.strip("[]"), int(port)),
        key=options.key,
        custom_addr=options.custom_addr,
    )
    ask_for_life(server.sock, options.alive)
    print(f"port {server.port}", flush=True)
    server.thread.join()
    # threads of a session may be left, and would keep the process
    os.kill(os.getpid(), signal.SIGKILL)


def ask_for_life(sock: socket.socket, seconds: int) -> None:
    """Connections that a socket accepts break when the other end is silent for so long."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    pause = max(1, seconds // (PROBES + 1))
    for name, value in (
        ("TCP_KEEPIDLE", pause), ("TCP_KEEPINTVL", pause), ("TCP_KEEPCNT", PROBES),
        ("TCP_USER_TIMEOUT", 1000 * seconds),
    ):  # fmt: skip
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


if __name__ == "__main__":
    main()
