# SPDX-License-Identifier: Apache-2.0
"""What goes into a cut model and what comes out, and which board has which region of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Region, empty


@dataclass(frozen=True)
class Port:
    """An input or output of the model, and the region of it on each board."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    regions: tuple[Region, ...]

    def to_json(self) -> dict:
        """Plain data for the manifest."""
        regions = [None if r.is_empty else r.to_json() for r in self.regions]
        return {
            "name": self.name,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "regions": regions,
        }

    @staticmethod
    def from_json(data: dict) -> Port:
        """Inverse of `to_json`."""
        shape = tuple(data["shape"])
        regions = tuple(
            empty(len(shape)) if r is None else Region(tuple((a, b) for a, b in r))
            for r in data["regions"]
        )
        return Port(data["name"], shape, data["dtype"], regions)
