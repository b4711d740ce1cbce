# SPDX-License-Identifier: Apache-2.0
"""Whether a machine is reached does not depend on its programs."""

from __future__ import annotations

import socket

from flexpie_tvm.runtime.reach import unreached


def test_systems_that_accept_and_that_refuse_are_reached():
    with socket.socket() as listening, socket.socket() as bound:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        bound.bind(("127.0.0.1", 0))  # refused, and nobody else can take the port
        assert unreached({0: listening.getsockname(), 1: bound.getsockname()}) == set()


def test_a_system_that_says_nothing_is_not():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        waiting = [socket.create_connection(place)]  # Linux drops further dials of a full queue
        try:
            assert unreached({7: place, 8: ("no.such.host.invalid", 1)}, 0.2) == {7, 8}
        finally:
            for dial in waiting:
                dial.close()


def test_nobody_to_reach():
    assert unreached({}) == set()
