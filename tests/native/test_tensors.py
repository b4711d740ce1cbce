# SPDX-License-Identifier: Apache-2.0
"""What the compiled graph hands over is held against the table before anything is sent."""

import ctypes

import numpy as np
import pytest
import tvm
from tvm._ffi.runtime_ctypes import TVMArray

from .boards import Cluster, TensorExchange, create_board, run_exchange, table, token
from .raw_peer import HALF, Async, X, full_row, place


@pytest.mark.parametrize(
    ("x", "out", "dtype", "says"),
    [
        (X[:-1], [[0, 2 * HALF]], "float32", "x has shape (999)"),
        (X.reshape(1, -1), [[0, 2 * HALF]], "float32", "x has shape (1,1000)"),
        (X, [[0, HALF]], "float32", "y has shape (1000)"),
        (X.astype("int32"), [[0, 2 * HALF]], "float32", "x has another dtype"),
        (X, [[0, 2 * HALF]], "float64", "y has another dtype"),
        (X, None, "float32", "got 1 tensors besides the tokens, the table says 2"),
    ],
)
def test_tensors_that_do_not_fit_the_table(x, out, dtype, says):
    with Cluster("local", [full_row()], 2) as cluster:
        assert len(cluster.boards) == 2
        content, text = Async(run_exchange, 0, 0, x, out, dtype).error()
        assert content["kind"] == "table"
        assert place(content)[2:] == (0, "conv1:0", 'conv "1"')
        assert says in text


def test_x_and_y_may_not_share_memory():
    row = [[0, 4]]
    board = create_board(0, 1, table(0, 1, [TensorExchange([row], [row])]))
    x = tvm.nd.array(np.zeros(8, "float32"))
    call = tvm.get_global_func("flexpie.exchange")
    views = [x._create_view((4,), "float32", offset) for offset in (0, 12, 16)]
    content, text = Async(call, 0, 0, token(), token(), views[0], views[1]).error()
    assert content["kind"] == "table"
    assert "share memory" in text
    board["close"]()
    board = create_board(0, 1, table(0, 1, [TensorExchange([row], [row])]))
    call(0, 0, token(), token(), views[0], views[2])
    board["close"]()


def strided(array, shape, strides):
    """A DLTensor over array's memory with strides of its own, as a handle to pass."""
    view = TVMArray()
    shape_array = (ctypes.c_int64 * len(shape))(*shape)
    strides_array = (ctypes.c_int64 * len(strides))(*strides)
    view.data = array.ctypes.data
    view.device = tvm.cpu()
    view.ndim = len(shape)
    view.dtype = tvm.DataType(str(array.dtype))
    view.shape = shape_array
    view.strides = strides_array
    view.byte_offset = 0
    keep = (array, shape_array, strides_array, view)
    return tvm.nd.NDArray(ctypes.pointer(view), is_view=True), keep


@pytest.mark.parametrize(
    ("shape", "strides", "fits"),
    [((2, 3), (3, 1), True), ((2, 3), (1, 2), False), ((2, 3), (4, 1), False)],
)
def test_only_compact_tensors_are_taken(shape, strides, fits):
    box = [[0, 2], [0, 3]]
    board = create_board(0, 1, table(0, 1, [TensorExchange([box], [box])]))
    x, _keep = strided(np.arange(8, dtype="float32"), shape, strides)
    y = tvm.nd.empty((2, 3))
    call = Async(tvm.get_global_func("flexpie.exchange"), 0, 0, token(), token(), x, y)
    if fits:
        call.join()
        np.testing.assert_array_equal(y.numpy(), np.arange(6).reshape(2, 3))
    else:
        content, text = call.error()
        assert content["kind"] == "table"
        assert "x is not compact" in text
    board["close"]()


def test_exchange_without_connection_or_board():
    board = create_board(0, 2, table(0, 2, [full_row()]))
    content, text = Async(run_exchange, 0, 0, X, [[0, 2 * HALF]]).error()
    assert content["kind"] == "failed"
    assert "not connected" in text
    content, text = Async(run_exchange, 0, 5, X, [[0, 2 * HALF]]).error()
    assert content["kind"] == "table"
    assert "no exchange 5" in text
    board["close"]()
    content, text = Async(run_exchange, 0, 0, X, [[0, 2 * HALF]]).error()
    assert content["kind"] == "failed"
    assert "no board 0" in text
