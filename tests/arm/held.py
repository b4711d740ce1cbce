# SPDX-License-Identifier: Apache-2.0
"""What is held to recorded counts, and the records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flexpie_tvm.lab.bench.networks import Network
from flexpie_tvm.lab.counting.cpus import CPUS, CountedCpu
from flexpie_tvm.lab.counting.subject import CountedNetwork, subject_of
from flexpie_tvm.testing.int8_networks import int8_conv
from flexpie_tvm.testing.onnx_builder import OnnxBuilder

RECORDS = Path(__file__).parent / "counts.json"


@dataclass(frozen=True)
class Held:
    """A network on a processor, and by how much its answers may differ from onnxruntime's."""

    write: Callable[[Path], Path]
    cpu: CountedCpu
    limit: float

    def subject(self, folder: Path) -> CountedNetwork:
        """Written into a folder."""
        path = self.write(folder)
        return subject_of(Network(path.stem, path, {}), folder)


def small_network(folder: Path) -> Path:
    """Layers of every usual kind: 1x3x48x48 to 1x10."""
    net = OnnxBuilder("small")
    x = net.node("Relu", net.conv(net.input("image", (1, 3, 48, 48)), 3, 32, 3, 2))
    x = net.node("Relu", net.conv(x, 32, 32, 3, groups=32))
    x = net.node("Relu", net.conv(x, 32, 64, 1))
    y = net.node("Relu", net.conv(x, 64, 64, 3))
    x = net.node("MaxPool", net.node("Add", x, y), kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.save(net.linear(x, 64, 10), (1, 10), folder / "small.onnx")


_INT8 = partial(int8_conv, channels=32, size=28)
#: Name in the records -> what is held. An int8 answer may be off by one step.
HELD: Mapping[str, Held] = {
    "small network, cortex-a72": Held(small_network, CPUS["cortex-a72"], 1e-4),
    "int8 convolution, cortex-a72": Held(_INT8, CPUS["cortex-a72"], 1 / 255),
    "int8 convolution, cortex-a76": Held(_INT8, CPUS["cortex-a76"], 1 / 255),
}


def recorded() -> dict[str, int]:
    """Instructions by name."""
    return json.loads(RECORDS.read_text())
