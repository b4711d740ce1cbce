# SPDX-License-Identifier: Apache-2.0
"""Files from anywhere: deep, large, packed, or no files at all. Each is one clear error."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from flexpie_tvm import files
from flexpie_tvm.cost.cost_file import load_cost
from flexpie_tvm.errors import CostError, FlexPieError, PlanError
from flexpie_tvm.plan import load_cluster, load_plan

DEEP = "[" * 200_000
READERS = [(load_plan, PlanError), (load_cluster, PlanError), (load_cost, CostError)]


def written(folder: Path, text: str, packed: bool) -> Path:
    path = folder / "file"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return path


@pytest.mark.parametrize(("read", "error"), READERS)
def test_what_is_nested_too_deeply_is_refused(read, error, tmp_path):
    for text in (DEEP, f"a = {DEEP}", '{"a":' * 200_000):
        with pytest.raises(error):
            read(written(tmp_path, text, read is load_cost))


@pytest.mark.parametrize(("read", "error"), READERS)
def test_pipes_folders_and_devices_are_refused_at_once(read, error, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path / "pipe", "no regular file"),
        (Path("/dev/zero"), "no regular file"),
        (tmp_path, "a folder"),
        (tmp_path / "missing", "No such file"),
    ):
        with pytest.raises(error, match=said):
            read(path)


@pytest.mark.parametrize(("read", "error"), READERS)
def test_files_that_are_too_large_are_refused_unread(read, error, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 36)  # a hole, which takes no room
    with pytest.raises(error, match="larger than"):
        read(path)


def test_what_unpacks_to_too_much_is_not_unpacked(tmp_path):
    packed = gzip.compress(bytes(files.MOST + 1))
    assert len(packed) < 1 << 20
    with pytest.raises(ValueError, match="unpacks to more than 64 MiB"):
        files.gunzip(packed)
    (tmp_path / "bomb.cost").write_bytes(packed)
    with pytest.raises(CostError):
        load_cost(tmp_path / "bomb.cost")
    assert files.gunzip(gzip.compress(b"words")) == b"words"
    with pytest.raises(ValueError, match="cut off"):
        files.gunzip(gzip.compress(bytes(1000))[:-9])


def test_a_cluster_has_no_more_boards_than_messages_can_name(tmp_path):
    path = tmp_path / "cluster.toml"
    path.write_text("boards = 1000000")
    with pytest.raises(FlexPieError, match="at most 255"):
        load_cluster(path)
