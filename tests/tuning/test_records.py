# SPDX-License-Identifier: Apache-2.0
"""Files of records: the fastest, other targets and versions, damage."""

from __future__ import annotations

import logging

import pytest
import tvm
from tvm import autotvm

import flexpie_tvm
from flexpie_tvm.errors import InputError
from flexpie_tvm.kernels.target import name_of
from flexpie_tvm.lab.tuning import candidates, extract_tasks, fastest, read_records
from flexpie_tvm.lab.tuning.records import RecordFile

from .conftest import ARM

TARGET = tvm.target.Target(ARM)


@pytest.fixture(scope="module")
def task(blocked):
    """A convolution."""
    return extract_tasks(flexpie_tvm.FlexPiePartition(1, "Single")(blocked), ARM)[0]


@pytest.fixture
def records(task, tmp_path):
    """Three candidates: the second the fastest of those that did not fail."""
    path = tmp_path / "records"
    file = RecordFile(path)
    for config, cost, error in zip(candidates(task), (3e-3, 2e-3, 1e-3), (0, 0, 4), strict=False):
        result = autotvm.MeasureResult((cost, cost), error, 1.0, 0.0)
        file.append(autotvm.MeasureInput(task.target, task, config), result)
    return path


def test_the_fastest_that_did_not_fail_is_taken(task, records):
    (found,) = fastest(records, [TARGET]).items()
    assert found[0] == (name_of(TARGET), task.workload)
    assert list(found[1]["tile"].val) == list(candidates(task)[1]["tile"].val)


def test_tvm_reads_the_records_too(task, records):
    with autotvm.apply_history_best(str(records)) as history, task.target:
        assert list(history.query(task.target, task.workload)["tile"].val) == list(
            candidates(task)[1]["tile"].val
        )


def test_what_is_recorded_is_not_measured_again(task, records):
    file, given = RecordFile(records), candidates(task)
    assert [file.has(task, config) for config in given[:4]] == [True, True, True, False]


def test_records_of_another_target_are_refused(records):
    with pytest.raises(InputError, match=r"have none for target '.*neoverse-n1.*', but for: '"):
        fastest(records, [tvm.target.Target(ARM.replace("cortex-a72", "neoverse-n1"))])


def test_records_of_another_version_are_ignored_with_a_sentence(records, caplog):
    first, *rest = records.read_text().splitlines()
    records.write_text(
        "\n".join([first, *(line.replace("flexpie.1", "flexpie.0") for line in rest)])
    )
    with caplog.at_level(logging.WARNING):
        (config,) = fastest(records, [TARGET]).values()
    assert config.cost == 3e-3
    assert "2 of 3 are of kernels that this version does not have: ignored" in caplog.text


def test_a_line_that_was_cut_off_is_dropped_and_written_again(task, records):
    whole = records.read_text()
    records.write_text(whole[:-40])
    assert len(read_records(records)) == 2
    file = RecordFile(records)
    assert records.read_text() == "".join(whole.splitlines(keepends=True)[:2])
    assert not file.has(task, candidates(task)[2])


@pytest.mark.parametrize("text", ["{}\n{}\n", "no json\nat all\n", '[1]\n"a"\n', "\xff\n\n0\n0\n"])
def test_files_of_something_else_are_refused(text, tmp_path):
    path = tmp_path / "records"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(InputError, match=r"^records '"):
        read_records(path)
