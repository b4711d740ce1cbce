# SPDX-License-Identifier: Apache-2.0
"""Files get to a board in pieces, as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tvm

from flexpie_tvm.runtime.board_errors import BOARD_FAILURES
from flexpie_tvm.runtime.upload import PIECE, load_module


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 77])
def test_a_file_arrives_as_it_is_in_pieces(session, tmp_path, size):
    """It is no library, so it is only put on the board."""
    file, data, moved = tmp_path / f"file{size}.so", np.random.default_rng(size).bytes(size), []
    file.write_bytes(data)
    with pytest.raises(BOARD_FAILURES):
        load_module(0, session, file, 30.0, lambda: moved.append(True))
    folder = Path(session.remote.get_function("tvm.rpc.server.workpath")("x")).parent
    (arrived,) = folder.glob(f"file{size}-*.so")
    assert arrived.read_bytes() == data
    assert len(moved) == -(-size // PIECE)


def test_a_piece_that_is_not_in_its_tensor_is_refused(session):
    held = tvm.nd.empty((8,), "uint8", session.remote.cpu(0))
    write = session.remote.get_function("flexpie.write_piece")
    place = session.remote.get_function("tvm.rpc.server.workpath")("piece")
    for offset, count in ((0, 9), (-1, 8), (0, -1)):
        with pytest.raises(BOARD_FAILURES, match="not what its tensor holds"):
            write(place, offset, held, count)
    assert not Path(place).exists()
