# SPDX-License-Identifier: Apache-2.0
"""What a cost model is asked about: the work of one tile, and one transfer between boards.

Plain data with everything that a measured or learned model may want to know (FlexPie,
section 4: the features of the i-Estimator and the s-Estimator, and what they lack).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class TileWork:
    """One board's share of one layer: its anchor operator and all that is fused behind it.

    Parameters
    ----------
    kind : str
        Relay name of the anchor operator, such as ``nn.conv2d``.
    conv_type : str
        ``conv``, ``pointwise`` (1x1), ``depthwise``, ``grouped``, ``transposed``, ``matmul``,
        ``pool``, ``elementwise`` or ``other``.
    in_hwc, out_hwc : tuple of int
        Rows, columns and channels of the anchor's first input and of its output, as computed
        by this board (blocked layouts are counted in single channels).
    kernel, strides, padding, dilation : tuple of int
        The window (rows, columns); padding is what this tile keeps (top, left, bottom, right).
    groups : int
        Groups of a convolution.
    dtype : str
        Dtype of the anchor's output.
    flops : int
        Operations of all operators of the layer; a multiply-add counts two.
    bytes_read, bytes_weights, bytes_written : int
        Activations read, constants read, and results.
    ops : int
        Number of operators.
    nodes : int
        Boards in the cluster.
    speed : float
        Relative speed of the board.
    board_kind : str
        Kind of the board, for one cost model per kind.
    layer : str
        Name of the layer; empty unless the cost model asks for it (``per_layer``).
    blocks : tuple of int
        Channels side by side in the layout of the anchor's first input and of its output: 16
        for ``NCHW16c``, 1 where layouts are not blocked.
    variant : str
        Attributes of the anchor that decide which program computes it and that no other field
        tells: layouts, axes, the method of resizing, transposed operands.
    special : int
        Elements computed by exponentials, roots and the like, of all operators of the layer.
    """

    kind: str
    conv_type: str
    in_hwc: tuple[int, int, int]
    out_hwc: tuple[int, int, int]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    dtype: str
    flops: int
    bytes_read: int
    bytes_weights: int
    bytes_written: int
    ops: int
    nodes: int
    speed: float = 1.0
    board_kind: str = ""
    layer: str = ""
    blocks: tuple[int, int] = (1, 1)
    variant: str = ""
    special: int = 0

    @property
    def bytes_moved(self) -> int:
        """Bytes read and written in all."""
        return self.bytes_read + self.bytes_weights + self.bytes_written


@dataclass(frozen=True)
class Links:
    """The network of a cluster, as a cost model sees it.

    Parameters
    ----------
    topology : {"mesh", "ring", "ps", "shared"}
        Everybody with everybody; neighbours only, forwarded hop by hop; all through one
        board; one medium that carries one transfer at a time.
    bandwidth : tuple of float
        Bits per second of each board's link, each way (``ring``: the link to the next board).
    latency : tuple of float
        Seconds that each board's link adds to a message.
    server : int
        The board that forwards everything in topology ``ps``.
    host_bandwidth, host_latency : float
        The host's own link.
    """

    topology: str
    bandwidth: tuple[float, ...]
    latency: tuple[float, ...]
    server: int = 0
    host_bandwidth: float = 1e9
    host_latency: float = 1e-4


@dataclass(frozen=True, eq=False, slots=True)
class Transfer:
    """One exchange, or the scattering of an input, or the gathering of an output.

    Parameters
    ----------
    kind : {"exchange", "scatter", "gather"}
        What it is; the host takes part in the last two.
    nbytes : numpy.ndarray
        Bytes from each source (row) to each target (column): boards x boards, 1 x boards for
        ``scatter``, boards x 1 for ``gather``.
    runs : numpy.ndarray
        Contiguous pieces that make up each message, of the same shape: what packing costs.
    links : Links
        The network.
    tensor : str
        Name of the tensor; empty unless the cost model asks for it (``per_layer``).
    """

    kind: str
    nbytes: np.ndarray = field(repr=False)
    runs: np.ndarray = field(repr=False)
    links: Links
    tensor: str = ""

    @property
    def total(self) -> int:
        """Bytes in all."""
        return int(self.nbytes.sum())


#: Where times come from.
TIMED, MODELLED = "timed", "modelled"
NOT_MEASURED = "modelled, not measured"


@dataclass(frozen=True)
class Setting:
    """Where something was measured.

    Parameters
    ----------
    board_kind : str
        The user's name for this kind of board.
    target : str
        TVM target of the kernels.
    tvm : str
        TVM's version.
    threads : int
        Threads of each board's kernels; 0 where the board decides.
    kernels : str
        Fingerprint of what made the kernels; empty if nobody wrote it down.
    how : {"timed", "modelled"}
        Whether boards took these times, or a model of boards says so.
    """

    board_kind: str
    target: str
    tvm: str
    threads: int
    kernels: str = ""
    how: str = TIMED
