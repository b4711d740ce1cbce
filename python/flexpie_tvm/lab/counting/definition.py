# SPDX-License-Identifier: Apache-2.0
"""A network in ncnn's own words: one line a layer, weights to be had elsewhere or nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field

MAGIC = 7767517
_RELU = "9=1"
#: An activation that is cut off at six.
RELU6 = "9=3 -23310=2,0.000000,6.000000"


@dataclass
class Definition:
    """Layers in the order in which they run; a method adds one and answers the blob it makes.

    Parameters
    ----------
    channels, rows, columns : int
        Of the input, whose blob is ``data``.
    """

    channels: int
    rows: int
    columns: int
    _lines: list[tuple[str, list[str], str]] = field(default_factory=list)
    _channels: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._channels["data"] = self.channels

    @property
    def operators(self) -> int:
        """How many layers compute something."""
        return len(self._lines)

    def convolution(
        self,
        x: str,
        outputs: int,
        kernel: int,
        stride: int = 1,
        pad: int = 0,
        groups: int = 1,
        activation: str = _RELU,
    ) -> str:
        """A square convolution with a bias; ``activation`` may be empty."""
        kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
        weights = outputs * (self._channels[x] // groups) * kernel**2
        values = f"0={outputs} 1={kernel} 3={stride} 4={pad} 5=1 6={weights}"
        values += f" 7={groups}" if groups > 1 else ""
        return self._add(kind, [x], f"{values} {activation}".rstrip(), outputs)

    def pool(self, x: str, kernel: int, stride: int, pad: int = 0, average: bool = False) -> str:
        """A square pool, over what its last windows reach, too."""
        values = f"0={int(average)} 1={kernel} 2={stride} 3={pad}"
        return self._add("Pooling", [x], values, self._channels[x])

    def global_pool(self, x: str) -> str:
        """Each channel's mean."""
        return self._add("Pooling", [x], "0=1 4=1", self._channels[x])

    def dense(self, x: str, inputs: int, outputs: int, activation: str = "") -> str:
        """A matrix product with a bias."""
        values = f"0={outputs} 1=1 2={inputs * outputs} {activation}".rstrip()
        return self._add("InnerProduct", [x], values, outputs)

    def normalise(self, x: str) -> str:
        """By five neighbouring channels."""
        return self._add("LRN", [x], "0=0 1=5 2=0.000100 3=0.750000", self._channels[x])

    def add(self, x: str, y: str) -> str:
        """The sum."""
        return self._add("BinaryOp", [x, y], "0=0", self._channels[x])

    def relu(self, x: str) -> str:
        """Nothing below zero."""
        return self._add("ReLU", [x], "", self._channels[x])

    def concat(self, *parts: str) -> str:
        """Channels behind each other."""
        return self._add("Concat", list(parts), "0=0", sum(self._channels[p] for p in parts))

    def softmax(self, x: str) -> str:
        """Shares of one."""
        return self._add("Softmax", [x], "0=0", self._channels[x])

    def text(self) -> str:
        """The ``.param`` file: where several layers read a blob, a layer splits it first."""
        readers: dict[str, int] = {}
        for _, inputs, _ in self._lines:
            for name in inputs:
                readers[name] = readers.get(name, 0) + 1
        size = f"0={self.columns} 1={self.rows} 2={self.channels}"
        lines = [f"Input data 0 1 data {size}", *_split("data", readers)]
        taken: dict[str, int] = {}
        for number, (kind, inputs, values) in enumerate(self._lines):
            own = [_branch(name, readers, taken) for name in inputs]
            made = f"b{number}"
            lines.append(f"{kind} {made} {len(own)} 1 {' '.join(own)} {made} {values}".rstrip())
            lines += _split(made, readers)
        blobs = sum(int(line.split()[3]) for line in lines)
        return "\n".join([str(MAGIC), f"{len(lines)} {blobs}", *lines]) + "\n"

    def _add(self, kind: str, inputs: list[str], values: str, channels: int) -> str:
        name = f"b{len(self._lines)}"
        self._lines.append((kind, inputs, values))
        self._channels[name] = channels
        return name


def _split(name: str, readers: dict[str, int]) -> list[str]:
    number = readers.get(name, 0)
    if number < 2:
        return []
    branches = " ".join(f"{name}_{k}" for k in range(number))
    return [f"Split {name}_split 1 {number} {name} {branches}"]


def _branch(name: str, readers: dict[str, int], taken: dict[str, int]) -> str:
    if readers[name] < 2:
        return name
    taken[name] = taken.get(name, -1) + 1
    return f"{name}_{taken[name]}"
