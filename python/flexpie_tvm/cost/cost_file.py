# SPDX-License-Identifier: Apache-2.0
"""A learned cost model as one file: packed JSON with a version, a checksum, and all it needs."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import CostError
from ..files import gunzip, json_object, parse_json, read_bytes, with_tuples
from ..machine import VectorUnit
from .corrections import Correction, Corrections
from .estimator import Estimator
from .features import TILE_LAYOUT, TRANSFER_LAYOUT
from .learned import Figures, Learned, Origin
from .link_correction import LinkCorrection
from .records import Links, Setting

FORMAT, VERSION = "flexpie-cost", 9


def save_cost(cost: Learned, path: str | Path) -> None:
    """Write a learned cost model to a file, whole or not at all.

    Parameters
    ----------
    cost : Learned
        What `load_cost` reads again.
    path : str or Path
        The file; one that is there is replaced.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    origin = cost.origin
    content = {
        "setting": asdict(origin.setting),
        "tiles_measured": origin.tiles,
        "transfers_measured": origin.transfers,
        "networks": [asdict(links) for links in origin.networks],
        "metrics": dict(origin.metrics),
        "corrects": origin.corrects,
        "corrections": {k: asdict(one) for k, one in cost.corrections.by_sort.items()},
        "links": {k: asdict(one) for k, one in cost.corrections.by_kind.items()},
        "figures": asdict(cost.figures),
        "unit": asdict(cost.unit),
        "tiles": {name: est.to_json() for name, est in cost.tiles.items()},
        "transfers": {name: est.to_json() for name, est in cost.transfers.items()},
    }
    text = json.dumps(content, sort_keys=True)
    whole = {"format": FORMAT, "version": VERSION, "sha256": _digest(text), "content": content}
    path = Path(path)
    scratch = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        # without a time, so that equal models are equal files
        scratch.write_bytes(gzip.compress(json.dumps(whole, sort_keys=True).encode(), mtime=0))
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def load_cost(path: str | Path) -> Learned:
    """Read a file that `save_cost` wrote.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    cost : Learned
        The model, with the calibration that it was saved with.

    Raises
    ------
    CostError
        If the file is missing, not a cost model, damaged, or of another version.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise CostError(f"cost model '{path}' cannot be read: {error.strerror}") from None
    try:
        whole = json_object(parse_json(gunzip(data)))
    except ValueError:
        raise CostError(f"cost model '{path}' is not one that 'flexpie train' wrote") from None
    if whole is None or whole.get("format") != FORMAT:
        raise CostError(f"cost model '{path}' is not one that 'flexpie train' wrote")
    if whole.get("version") != VERSION:
        raise CostError(
            f"cost model '{path}' is version {whole.get('version')}, this flexpie reads version "
            f"{VERSION}: train it again"
        )
    content = whole.get("content")
    if whole.get("sha256") != _digest(json.dumps(content, sort_keys=True)):
        raise CostError(f"cost model '{path}' is damaged: train it again")
    try:
        return _from_json(content or {})
    except CostError as error:
        raise CostError(f"cost model '{path}': {error}") from None
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise CostError(f"cost model '{path}' is damaged: train it again") from None


def _links(data: dict[str, Any]) -> Links:
    return Links(**with_tuples(data))


def _from_json(content: dict[str, Any]) -> Learned:
    networks = tuple(_links(links) for links in content["networks"])
    origin = Origin(
        Setting(**content["setting"]),
        content["tiles_measured"],
        content["transfers_measured"],
        networks,
        content["metrics"],
        content["corrects"],
    )
    by_sort = {k: Correction(**one) for k, one in content["corrections"].items()}
    by_kind = {k: LinkCorrection(**one) for k, one in content.get("links", {}).items()}
    return Learned(
        {k: Estimator.from_json(v, TILE_LAYOUT) for k, v in content["tiles"].items()},
        {k: Estimator.from_json(v, TRANSFER_LAYOUT) for k, v in content["transfers"].items()},
        Figures(**content["figures"]),
        origin,
        VectorUnit(**content["unit"]),
        Corrections(by_sort, by_kind),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
