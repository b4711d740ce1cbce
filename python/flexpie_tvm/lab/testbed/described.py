# SPDX-License-Identifier: Apache-2.0
"""What a user of a testbed knows of it."""

from __future__ import annotations

from dataclasses import dataclass

from .network import TRACKER_PORT
from .options import TestbedOptions
from .state import TestbedRecord


@dataclass(frozen=True)
class Testbed:
    """A testbed that is up.

    Parameters
    ----------
    name : str
        Its name.
    host, port : str, int
        Its tracker.
    key : str
        The key of its boards.
    boards : int
        Number of boards; rank k is the board with the k-th address.
    rates : dict
        Measured bits/s of payload per link.
    options : TestbedOptions
        What was asked for.
    """

    __test__ = False

    name: str
    host: str
    port: int
    key: str
    boards: int
    rates: dict[str, float]
    options: TestbedOptions


def describe(record: TestbedRecord) -> Testbed:
    """What a user of a testbed needs to know.

    Parameters
    ----------
    record : TestbedRecord
        Of a testbed that is up.
    """
    network = record.network
    return Testbed(
        record.name,
        network.tracker_address,
        TRACKER_PORT,
        record.name,
        record.options.boards,
        dict(record.rates),
        record.options,
    )
