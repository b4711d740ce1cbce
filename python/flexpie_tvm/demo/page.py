# SPDX-License-Identifier: Apache-2.0
"""Pages into the text detector, text boxes out of it (PP-OCRv4's conventions)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from skimage.measure import label, regionprops

THRESHOLD = 0.3
MIN_SCORE = 0.6
GROW = 1.5


@dataclass(frozen=True)
class TextBox:
    """A box around a line of text, in pixels of the page: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float
    score: float


def to_input(page: Image.Image, size: int) -> tuple[np.ndarray, float]:
    """The page, scaled to fit a square of ``size`` and padded with white, as 1x3xSxS.

    Returns
    -------
    tensor : numpy.ndarray
        float32, values from -1 to 1.
    scale : float
        Pixels of the input per pixel of the page.
    """
    scale = size / max(page.size)
    width, height = (max(1, round(edge * scale)) for edge in page.size)
    square = Image.new("RGB", (size, size), "white")
    square.paste(page.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    pixels = np.asarray(square, "float32") / 255
    return np.ascontiguousarray(((pixels - 0.5) / 0.5).transpose(2, 0, 1)[None]), scale


def find_boxes(heat: np.ndarray, scale: float) -> list[TextBox]:
    """Text boxes from the detector's probability map (1x1xSxS)."""
    probability = heat[0, 0]
    boxes = []
    for region in regionprops(label(probability > THRESHOLD)):
        top, left, bottom, right = region.bbox
        score = float(probability[top:bottom, left:right][region.image].mean())
        if region.area < 16 or score < MIN_SCORE:
            continue
        # The detector is trained on shrunken boxes: grow them back by area / perimeter.
        height, width = bottom - top, right - left
        margin = GROW * height * width / (2 * (height + width))
        edges = (left - margin, top - margin, right + margin, bottom + margin)
        boxes.append(TextBox(*(edge / scale for edge in edges), score))
    return boxes


def draw(page: Image.Image, found: list[tuple[str, list[TextBox]]], zoom: int = 2) -> Image.Image:
    """The page side by side, once for each title with its boxes."""
    width, height = page.size[0] * zoom, page.size[1] * zoom
    gap, head = 12, 24
    sheet = Image.new("RGB", (len(found) * (width + gap) - gap, height + head), "white")
    pen = ImageDraw.Draw(sheet)
    big = page.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    for k, (title, boxes) in enumerate(found):
        x = k * (width + gap)
        sheet.paste(big, (x, head))
        pen.text((x + 4, 6), f"{title}: {len(boxes)} boxes", fill="black")
        for box in boxes:
            left, right = (x + edge * zoom for edge in (box.left, box.right))
            top, bottom = (head + edge * zoom for edge in (box.top, box.bottom))
            left, right = max(left, x), min(right, x + width - 1)
            top, bottom = max(top, head), min(bottom, head + height - 1)
            pen.rectangle((left, top, right, bottom), outline=(220, 30, 30), width=2)
    return sheet
