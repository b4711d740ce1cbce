# SPDX-License-Identifier: Apache-2.0
"""Networks in ncnn's words."""

from __future__ import annotations

import pytest

from flexpie_tvm.lab.counting.usual_networks import USUAL

#: Multiply-accumulates in 1e6 of convolutions and dense layers, as papers and tables have them.
WANTED = {
    "squeezenet": 388, "mobilenet": 569, "mobilenet_v2": 300, "googlenet": 1580, "alexnet": 724,
    "resnet18": 1814, "resnet50": 3860, "vgg16": 15470,
}  # fmt: skip


def layers(text: str) -> list[tuple[str, list[str], list[str], dict[str, str]]]:
    """Kind, inputs, outputs and values of each line."""
    magic, size, *lines = text.splitlines()
    assert magic == "7767517"
    assert int(size.split()[0]) == len(lines)
    found = []
    for line in lines:
        kind, _, takes, gives, *rest = line.split()
        blobs, values = rest[: int(takes) + int(gives)], rest[int(takes) + int(gives) :]
        pairs = dict(value.split("=") for value in values)
        found.append((kind, blobs[: int(takes)], blobs[int(takes) :], pairs))
    return found


@pytest.mark.parametrize("name", USUAL)
def test_every_blob_is_made_once_and_read_once(name):
    made: set[str] = set()
    for _, inputs, outputs, _ in layers(USUAL[name]().text()):
        assert made >= set(inputs)
        made -= set(inputs)
        assert not made & set(outputs)
        made |= set(outputs)
    assert len(made) == 1


@pytest.mark.parametrize("name", USUAL)
def test_networks_do_the_work_that_their_papers_say(name):
    """Sizes are followed through every window here, by other arithmetic than ncnn's."""
    sizes: dict[str, int] = {}
    work = 0
    for kind, inputs, outputs, values in layers(USUAL[name]().text()):
        size = sizes[inputs[0]] if inputs else int(values["0"])
        if kind.startswith("Convolution"):
            size = (size + 2 * int(values["4"]) - int(values["1"])) // int(values["3"]) + 1
            work += size * size * int(values["6"])
        elif kind == "Pooling" and "4" not in values:
            size = -(-(size + 2 * int(values["3"]) - int(values["1"])) // int(values["2"])) + 1
        elif kind == "InnerProduct":
            work += int(values["2"])
        sizes.update(dict.fromkeys(outputs, size))
    assert work / 1e6 == pytest.approx(WANTED[name], rel=0.03)
