# SPDX-License-Identifier: Apache-2.0
"""Measures tiles and transfers on boards: the traces that cost models are trained from."""

from .calibration import CalibrationOptions, chosen_tiles, time_chosen
from .calls import time_calls
from .families import FAMILIES
from .model_profile import model_works, time_model, untimed
from .sampler import ProfiledModel, subject_of
from .tile_profile import TileOptions, TileProfiler
from .timing import board_threads
from .transfer_profile import TransferOptions, TransferProfiler

__all__ = [
    "FAMILIES",
    "CalibrationOptions",
    "ProfiledModel",
    "TileOptions",
    "TileProfiler",
    "TransferOptions",
    "TransferProfiler",
    "board_threads",
    "chosen_tiles",
    "model_works",
    "subject_of",
    "time_calls",
    "time_chosen",
    "time_model",
    "untimed",
]
