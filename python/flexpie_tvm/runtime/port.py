# SPDX-License-Identifier: Apache-2.0
"""What goes into a cut model and what comes out, and which board has which region of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..graph import Region, empty


@dataclass(frozen=True)
class Port:
    """An input or output of the model, and the region of it on each board.

    Parameters
    ----------
    name : str
        The model's name of it.
    shape : tuple of int
        Of the whole tensor.
    dtype : str
        As numpy calls it.
    regions : tuple of Region
        By rank: of an input what the board needs, of an output what it owns; may be empty.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    regions: tuple[Region, ...]

    def to_json(self) -> dict:
        """The port as plain data, for the manifest."""
        regions = [None if r.is_empty else r.to_json() for r in self.regions]
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "regions": regions,
        }

    @staticmethod
    def from_json(data: dict) -> Port:
        """The port that `to_json` told.

        Parameters
        ----------
        data : dict
            What `to_json` gave.
        """
        shape = tuple(data["shape"])
        regions = tuple(
            empty(len(shape)) if r is None else Region(tuple((a, b) for a, b in r))
            for r in data["regions"]
        )
        return Port(data["name"], shape, data["dtype"], regions)


def check_inputs(ports: Sequence[Port], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """An array for every input; ``InputError`` if one is missing, unknown, or not as it must be."""
    checked = {port.name: check_input(port, inputs) for port in ports}
    for name in sorted(set(inputs) - set(checked)):
        known = ", ".join(port.name for port in ports)
        raise InputError(f"input '{name}' is unknown: the model's inputs are {known}")
    return checked


def check_input(port: Port, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The array for an input; ``InputError`` if it is missing or of another shape or dtype."""
    if port.name not in inputs:
        raise InputError(f"input '{port.name}' is missing: it has shape {port.shape}")
    array = np.asarray(inputs[port.name])
    if array.shape != port.shape or array.dtype != port.dtype:
        raise InputError(
            f"input '{port.name}' is {array.dtype} {array.shape}, "
            f"the model takes {port.dtype} {port.shape}"
        )
    return array
