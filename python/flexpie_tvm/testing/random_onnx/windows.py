# SPDX-License-Identifier: Apache-2.0
"""Draws of operators with windows: pools, convolutions, resizing, regions."""

from __future__ import annotations

import numpy as np

from .draws import Draw, flip, floats, int64, one_of, sizes, some_axes


def pool(rng: np.random.Generator, opset: int) -> Draw:
    """Pools with every kind of padding, ceil mode and dilation."""
    spatial = int(rng.integers(1, 4))
    kind = one_of(rng, "MaxPool", "AveragePool", "LpPool")
    kernel = [int(n) for n in rng.integers(1, 4, spatial)]
    x = floats(rng, 1, 2, *sizes(rng, spatial, 5, 10))
    attributes: dict = {"kernel_shape": kernel, "strides": list(sizes(rng, spatial, 1, 3))}
    mode = one_of(rng, "pads", "pads", "none", "SAME_UPPER", "SAME_LOWER", "VALID")
    if mode == "pads":
        attributes["pads"] = [int(rng.integers(0, k)) for k in kernel * 2]
    elif mode != "none":
        attributes["auto_pad"] = mode
        # with longer strides engines pad less than nothing, which is refused
        strides = zip(attributes["strides"], kernel, strict=True)
        attributes["strides"] = [min(s, k + 1) for s, k in strides]
    newer = {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[kind]
    if opset >= newer and mode in ("pads", "none"):
        attributes["ceil_mode"] = one_of(rng, 0, 1)
    dilated = {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[kind]
    if opset >= dilated and mode in ("pads", "none") and flip(rng):
        attributes["dilations"] = list(sizes(rng, spatial, 1, 2))
    if kind == "AveragePool":
        attributes["count_include_pad"] = one_of(rng, 0, 1)
    if kind == "LpPool":
        attributes["p"] = one_of(rng, 1, 2, 3)
    outputs = 2 if kind == "MaxPool" and opset >= 8 and flip(rng) else 1
    return Draw(kind, [x], attributes, outputs=outputs)


def conv(rng: np.random.Generator, opset: int) -> Draw:
    """Convolutions of 1 to 3 axes, grouped, dilated, padded in every way."""
    spatial, group = int(rng.integers(1, 4)), one_of(rng, 1, 1, 2)
    kernel = sizes(rng, spatial, 1, 3)
    x = floats(rng, 1, 2 * group, *sizes(rng, spatial, 5, 8))
    w = floats(rng, 2 * group, 2, *kernel)
    attributes: dict = {"strides": list(sizes(rng, spatial, 1, 2)), "group": group}
    mode = one_of(rng, "pads", "pads", "none", "SAME_UPPER", "SAME_LOWER", "VALID")
    if mode == "pads":
        attributes["pads"] = [int(rng.integers(0, k)) for k in kernel * 2]
    elif mode != "none":
        attributes["auto_pad"] = mode
    if mode in ("pads", "none"):
        attributes["dilations"] = list(sizes(rng, spatial, 1, 2))
    inputs = [x, w] + ([floats(rng, 2 * group)] if flip(rng) else [])
    return Draw("Conv", inputs, attributes, [1, 2])


def conv_transpose(rng: np.random.Generator, opset: int) -> Draw:
    """Transposed convolutions."""
    spatial = int(rng.integers(1, 3))
    kernel, strides = sizes(rng, spatial, 1, 3), sizes(rng, spatial, 1, 3)
    attributes: dict = {"strides": list(strides), "group": 1}
    mode = one_of(rng, "pads", "none", "output", "SAME_UPPER", "SAME_LOWER")
    if mode == "pads":
        attributes["pads"] = [int(rng.integers(0, k)) for k in kernel * 2]
        attributes["output_padding"] = [int(rng.integers(0, s)) for s in strides]
    if mode == "none":
        attributes["dilations"] = list(sizes(rng, spatial, 1, 3))
    if mode.startswith("SAME"):
        attributes["auto_pad"] = mode
        attributes["strides"] = [min(s, k) for s, k in zip(strides, kernel, strict=True)]
    x = floats(rng, 1, 2, *sizes(rng, spatial, 4, 6))
    if mode == "output":
        full = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], strides, kernel, strict=True)]
        attributes["output_shape"] = [n - int(rng.integers(0, 2)) for n in full]
    inputs = [x, floats(rng, 2, 3, *kernel)] + ([floats(rng, 3)] if flip(rng) else [])
    return Draw("ConvTranspose", inputs, attributes, [1, 2])


def resize(rng: np.random.Generator, opset: int) -> Draw:
    """Images of any scale, mode and coordinates."""
    spatial = int(rng.integers(1, 3))
    x = floats(rng, 1, 2, *sizes(rng, spatial, 2, 7))
    rank, mode = x.ndim, one_of(rng, "nearest", "linear", "cubic")
    if opset < 10:
        scales = [1.0, 1.0, *(one_of(rng, 1.0, 2.0, 3.0) for _ in range(spatial))]
        mode = one_of(rng, "nearest", "linear")
        if opset < 9:
            return Draw("Upsample", [x], {"mode": mode, "scales": scales})
        return Draw("Upsample", [x, np.array(scales, "float32")], {"mode": mode}, [1])
    factors = [1.0, 1.0, *(one_of(rng, 0.5, 2.0, 3.0, 1.5, 0.7, 2.5) for _ in range(spatial))]
    if opset < 11:
        mode = one_of(rng, "nearest", "linear")
        return Draw("Resize", [x, np.array(factors, "float32")], {"mode": mode}, [1])
    x = floats(rng, 1, 2, *sizes(rng, 2, 2, 7)) if mode == "cubic" else x
    factors = factors[: x.ndim] + [2.0] * (x.ndim - len(factors))
    rank = x.ndim
    places = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    places += ["half_pixel_symmetric"] * (opset >= 19)
    attributes: dict = {"mode": mode, "coordinate_transformation_mode": one_of(rng, *places)}
    if mode == "nearest":
        attributes["nearest_mode"] = one_of(
            rng, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"
        )
    if mode == "cubic":
        attributes["cubic_coeff_a"] = one_of(rng, -0.75, -0.5)
        attributes["exclude_outside"] = one_of(rng, 0, 1)
    if opset >= 18 and mode != "nearest" and rng.random() < 0.3:
        attributes["antialias"] = 1
    axes = list(range(rank))
    if opset >= 18 and flip(rng):
        axes = list(range(2, rank))
        attributes["axes"] = axes
    if flip(rng):
        given = [None, np.array([factors[a] for a in axes], "float32")]
    else:
        targets = [max(1, int(x.shape[a] * factors[a])) for a in axes]
        given = [None, None, int64(targets)]
        if opset < 13:
            given[:2] = [np.zeros(0, "float32")] * 2
    if opset < 13:
        given[0] = np.zeros(0, "float32")
    return Draw("Resize", [x, *given], attributes, [1, 2, 3])


def regions(rng: np.random.Generator, opset: int) -> Draw:
    """Means and maxima over regions of an image."""
    x = floats(rng, 2, 3, 8, 9)
    corners = np.sort(rng.uniform(0, 16, (3, 2, 2)), 1).reshape(3, 4).astype("float32")
    if opset < 10:
        return pool(rng, opset)
    attributes = {
        "output_height": int(rng.integers(1, 4)),
        "output_width": int(rng.integers(1, 4)),
        "sampling_ratio": int(rng.integers(1, 3)),
        "spatial_scale": one_of(rng, 0.5, 1.0),
    }
    if opset >= 16:
        attributes["coordinate_transformation_mode"] = one_of(
            rng, "half_pixel", "output_half_pixel"
        )
    constant = [1, 2] if flip(rng) else [2]
    if one_of(rng, "avg", "avg", "max") == "max":
        attributes["mode"] = "max"
    return Draw("RoiAlign", [x, corners, int64([0, 1, 1])], attributes, constant)


def sampled(rng: np.random.Generator, opset: int) -> Draw:
    """An image seen at given places."""
    if opset < 16:
        return conv(rng, opset)
    x, grid = floats(rng, 1, 2, 5, 6), rng.uniform(-1.2, 1.2, (1, 3, 4, 2)).astype("float32")
    modes = ("bilinear", "nearest") if opset < 20 else ("linear", "nearest")
    attributes = {
        "mode": one_of(rng, *modes),
        "padding_mode": one_of(rng, "zeros", "border", "reflection"),
        "align_corners": one_of(rng, 0, 1),
    }
    return Draw("GridSample", [x, grid], attributes)


def axes_resize(rng: np.random.Generator, opset: int) -> Draw:
    """A tensor resized along any axes, as channels-last images are."""
    if opset < 18:
        return resize(rng, opset)
    rank = int(rng.integers(2, 5))
    x = floats(rng, *sizes(rng, rank, 2, 5))
    axes = [a % rank for a in some_axes(rng, rank)][:2]
    scales = np.array([one_of(rng, 2.0, 1.5, 3.0) for _ in axes], "float32")
    attributes = {"mode": "nearest", "axes": axes, "nearest_mode": "floor"}
    attributes["coordinate_transformation_mode"] = "asymmetric"
    return Draw("Resize", [x, None, scales], attributes, [2])
