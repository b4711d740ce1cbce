# SPDX-License-Identifier: Apache-2.0
"""Types of arrays, by what they hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Of ``float64``: milliseconds, features, shares.
Floats = NDArray[np.float64]
#: Of ``float32``: what boosted trees compare and add up.
Singles = NDArray[np.float32]
#: Of ``int64``: bounds, bytes, and places in other arrays.
Ints = NDArray[np.int64]
#: Of ``bool``: which elements of another array are meant.
Bools = NDArray[np.bool_]
