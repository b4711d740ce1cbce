# SPDX-License-Identifier: Apache-2.0
"""Drawing sizes, inputs and weights of random layers.

Sizes are those that networks have, with odd ones among them; what one layer may cost is
bounded, so that no draw takes minutes. Weights are random, never constant.
"""

from __future__ import annotations

from math import prod

import numpy as np
from tvm import relay

#: Rows and columns of feature maps, channels, tokens and features that networks have.
SIZES = (
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 16, 17, 19, 20, 24, 26, 28, 31, 32, 35, 37, 38, 40, 43,
    48, 52, 53, 56, 58, 59, 62, 64, 74, 75, 80, 94, 96, 104, 112, 118, 128, 147, 160, 192, 224, 256,
    299, 320, 416, 512, 640,
)  # fmt: skip
CHANNELS = (
    3, 8, 12, 16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112, 120, 128, 144, 160, 184, 192, 200, 208,
    224, 240, 256, 288, 320, 384, 448, 480, 512, 576, 672, 720, 768, 832, 960, 1024, 1280, 1536,
    2048,
)  # fmt: skip
TOKENS = (1, 2, 4, 8, 16, 25, 32, 40, 49, 64, 96, 128, 197, 256, 384, 512)
FEATURES = (10, 40, 64, 96, 120, 128, 192, 256, 384, 512, 768, 1000, 1024, 2048, 3072, 4096)
#: Most multiply-adds and most activation elements of one drawn layer.
MOST_MACS, MOST_ELEMENTS = 6e8, 4e6


class Draft:
    """Draws random things and remembers the inputs that it made."""

    def __init__(self, rng: np.random.Generator, prefix: str):
        self.rng, self.params = rng, []
        self._prefix = prefix

    def pick(self, *choices):
        """One of the choices, each as likely as the others."""
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.rng.random() < probability)

    def channels(self) -> int:
        """A number of channels: mostly one that networks have."""
        if self.chance(0.9):
            return int(self.pick(*CHANNELS))
        return 4 * int(np.exp(self.rng.uniform(0, np.log(256))))

    def image(self, depth: int = 1) -> tuple[int, int]:
        """Rows and columns; ``depth`` elements per pixel stay within bounds."""
        most = MOST_ELEMENTS / depth
        while True:
            rows = int(self.pick(*SIZES))
            cols = rows if self.chance(0.6) else int(self.pick(*SIZES))
            if rows * cols <= most:
                return rows, cols

    def input(self, *shape: int) -> relay.Var:
        """A new input."""
        var = relay.var(f"{self._prefix}_{len(self.params)}", shape=shape, dtype="float32")
        self.params.append(var)
        return var

    def weight(self, *shape: int) -> relay.Constant:
        """A random constant that keeps the variance of what flows through it."""
        scale = (2 / max(1, prod(shape[1:]))) ** 0.5
        values = self.rng.standard_normal(shape, dtype="float32") * np.float32(scale)
        return relay.const(values)

    def activated(self, x: relay.Expr) -> relay.Expr:
        """Behind an anchor: nothing, or one of the activations that networks use."""
        which = self.rng.random()
        if which < 0.55:
            return relay.nn.relu(x)
        if which < 0.65:
            return relay.clip(x, 0.0, 6.0)
        if which < 0.75:
            half = relay.clip(x + relay.const(np.float32(3)), 0.0, 6.0)
            return x * half * relay.const(np.float32(1 / 6))
        if which < 0.8:
            return x * relay.sigmoid(x)
        return x

    def biased(self, x: relay.Expr, channels: int, axis: int = 1) -> relay.Expr:
        """With a bias, nearly always."""
        return relay.nn.bias_add(x, self.weight(channels), axis) if self.chance(0.9) else x
