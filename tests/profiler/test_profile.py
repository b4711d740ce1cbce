# SPDX-License-Identifier: Apache-2.0
"""Profiling real boards: batches, tiles that cannot be compiled, interruption, transfers."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cost.traces import (
    Setting,
    append_models,
    read_tiles,
    read_transfers,
    transfer_configuration,
)
from flexpie_tvm.lab.profiler import (
    TileOptions,
    TileProfiler,
    TransferOptions,
    TransferProfiler,
    subject_of,
    tile_profile,
    time_model,
    untimed,
)
from flexpie_tvm.lab.profiler.kernels import compile_batch, kernel_calls
from flexpie_tvm.lab.profiler.sampler import sample_tiles
from flexpie_tvm.lab.profiler.timing import BoardTimer, spread
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.runtime.native import linker_for

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"


def setting(target: str) -> Setting:
    return Setting("test", target, tvm.__version__, 1)


def tiles_of(subject, seed: int = 1, cuts: int = 1):
    return list(sample_tiles(subject, np.random.default_rng(seed), cuts, set()))


def test_profiling_goes_on_where_it_was_interrupted(small_subject, two_boards, target, tmp_path):
    options = TileOptions(seconds=600, tiles=1000, batch=8, cuts=3, overlap=False)
    runs = []
    for _ in range(2):
        profiler = TileProfiler(two_boards.sessions, setting(target))
        batches = profiler.run(tmp_path, [small_subject], options)
        runs.append(next(batches))
        batches.close()
    traces = read_tiles(tmp_path)
    works = [trace.work for trace in traces]
    assert len(works) == sum(runs) >= 12
    assert len(set(works)) == len(works)
    assert {"small", "sampler"} == {trace.origin for trace in traces}
    for trace in traces:
        assert 0 < trace.ms < 1000
        assert trace.repeats >= 14
        assert trace.spread >= 0
        assert trace.setting == setting(target)


def test_the_next_batch_is_built_while_boards_time_the_last(two_boards, target, tmp_path):
    profiler = TileProfiler(two_boards.sessions, setting(target))
    options = TileOptions(seconds=600, tiles=16, batch=8, overlap=True)
    counts = list(profiler.run(tmp_path, [], options))
    assert counts == sorted(set(counts))
    assert len(counts) >= 3
    assert len(read_tiles(tmp_path)) == counts[-1] >= 16


def test_larger_work_takes_longer(two_boards, target, tmp_path):
    """The numbers are times: sixteen times the rows of one convolution."""
    rng = np.random.default_rng(0)
    weight = relay.const(rng.normal(size=(32, 32, 3, 3)).astype("float32"))
    images = [relay.var(f"x{rows}", shape=(1, 32, rows, 56)) for rows in (8, 128)]
    body = [
        relay.nn.conv2d(x, weight, padding=(1, 1), channels=32, kernel_size=(3, 3)) for x in images
    ]
    module = tvm.IRModule.from_expr(relay.Function(images, relay.Tuple(body)))
    programs = tiles_of(subject_of("pair", module, tvm.target.Target(target)), cuts=2)
    sizes = ((8, 56, 32), (128, 56, 32))
    whole = [p for p in programs if p.work.conv_type == "conv" and p.work.out_hwc in sizes]
    batch = compile_batch(whole, tvm.target.Target(target), tmp_path / "pair.so", None)
    timer = BoardTimer(two_boards.sessions[0], target)
    library = timer.load(batch.library)
    few, many = (np.median(timer.time(library, tile)) for tile in batch.tiles)
    assert 16 / 3 < many / few < 16 * 3


def test_a_whole_model_is_timed_with_the_records_of_its_layers(
    two_boards, small_subject, target, tmp_path
):
    trace = time_model(small_subject, two_boards.sessions[0], setting(target))
    assert (trace.origin, trace.setting) == ("small", setting(target))
    assert len(trace.works) == len(small_subject.imported.graph.layers)
    assert sum(work.flops for work in trace.works) > 1e5
    assert trace.ms > 0
    assert trace.repeats >= 10
    assert untimed(tmp_path / "none", [small_subject], setting(target)) == [small_subject]
    append_models(tmp_path, [trace])
    assert untimed(tmp_path, [small_subject], setting(target)) == []
    assert untimed(tmp_path, [small_subject], setting(ARM)) == [small_subject]


def test_a_tile_that_tvm_cannot_compile_costs_only_itself(
    two_boards, target, tmp_path, monkeypatch
):
    x = relay.var("x", shape=(64, 512))
    body = relay.Tuple([relay.nn.softmax(x), relay.nn.softmax(x, axis=0), relay.tanh(x)])
    module = tvm.IRModule.from_expr(relay.Function([x], body))
    culprit, *others = tiles_of(subject_of("odd", module, tvm.target.Target(target)))

    def compiled(programs, *rest):
        if culprit in programs:
            raise tvm.error.TVMError("this kernel cannot be compiled")
        return compile_batch(programs, *rest)

    monkeypatch.setattr(tile_profile, "compile_batch", compiled)
    profiler = TileProfiler(two_boards.sessions, setting(target))
    built = profiler._built([*others, culprit], tmp_path)
    assert profiler.progress.failed == 1
    kinds = [tile.program.work.kind for batch in built for tile in batch.tiles]
    assert len(others) > 1
    assert sorted(kinds) == sorted(program.work.kind for program in others)


def test_what_depends_on_weights_only_is_not_timed():
    """data -> conv(data, transform(weight)): the transform is folded in a real build."""
    names = ["b0:input0", "b0:input1", "transform", "conv"]
    nodes = [{"op": "null", "name": n, "inputs": []} for n in names[:2]]
    kernels = [("transform", [[1, 0, 0]]), ("conv", [[0, 0, 0], [2, 0, 0]])]
    nodes += [
        {"op": "tvm_op", "name": n, "inputs": i, "attrs": {"func_name": n, "num_outputs": "1"}}
        for n, i in kernels
    ]
    for node in nodes:
        node["name"] = node["name"].removeprefix("b0:")
    shapes = [[1, 4], [8, 4], [4, 8], [1, 8]]
    attrs = {"shape": ["list_shape", shapes], "dltype": ["list_str", ["float32"] * 4]}
    graph = {"nodes": nodes, "attrs": attrs, "node_row_ptr": [0, 1, 2, 3, 4]}
    (call,) = kernel_calls(json.dumps(graph), frozenset({1}))
    assert call.name == "conv"
    assert [shape for shape, _ in call.tensors] == [(1, 4), (4, 8), (1, 8)]
    assert call.roles == "rw-"
    assert [c.roles for c in kernel_calls(json.dumps(graph), frozenset())] == ["r-", "rr-"]


def test_tiles_are_cross_compiled_for_arm(small_onnx, tmp_path):
    import flexpie_tvm

    module = flexpie_tvm.load_onnx(small_onnx, {"image": (1, 3, 16, 16)})
    target = tvm.target.Target(ARM)
    programs = tiles_of(subject_of("small", module, target))
    batch = compile_batch(programs, target, tmp_path / "tiles.so", linker_for(ARM))
    machine = struct.unpack("<H", batch.library.read_bytes()[18:20])[0]
    assert machine == 183  # EM_AARCH64
    convs = [t for t in batch.tiles if "conv" in t.program.work.kind]
    assert convs
    assert all(tile.calls for tile in convs)


def test_spread_is_half_the_middle_half():
    assert spread([8, 9, 10, 11, 12]) == pytest.approx(0.1)
    assert spread([0.0, 0.0]) == 0.0


def test_transfers_of_two_boards(two_boards, target, tmp_path):
    cluster = ClusterSpec(2, bandwidth=5e9)
    counts = []
    for _ in range(2):  # the second run draws others
        profiler = TransferProfiler(two_boards.sessions, cluster, setting(target))
        options = TransferOptions(seconds=600, transfers=1, batch=4, repeats=5)
        counts += profiler.run(tmp_path, options)
    traces = read_transfers(tmp_path)
    assert len(traces) == sum(counts) >= 10
    assert {t.transfer.kind for t in traces} == {"exchange", "scatter", "gather"}
    assert len({transfer_configuration(t.transfer) for t in traces}) == len(traces)
    for trace in traces:
        assert 0 < trace.ms < 5000
        assert trace.repeats == 5
        assert trace.transfer.links == cluster.links


def children_of(pid: int) -> list[int]:
    """Processes of the session that a process leads or started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"FLEXPIE_TEST_MARK={pid}".encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def test_ctrl_c_keeps_what_was_timed_and_leaves_nothing_running(tmp_path):
    store, mark = tmp_path / "traces", os.getpid()
    command = [sys.executable, "-c", "from flexpie_command import entry; entry()", "profile"]
    process = subprocess.Popen(
        [*command, "--local", "--boards", "1", "--batch", "8", "-o", str(store)],
        env={**os.environ, "FLEXPIE_TEST_MARK": str(mark)},
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        until = time.monotonic() + 120
        while not list(store.glob("tiles/part-*")) and time.monotonic() < until:
            assert process.poll() is None, process.stderr.read().decode()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
    finally:
        process.kill()
        process.wait()
    assert b"Traceback" not in process.stderr.read()
    assert read_tiles(store)
    until = time.monotonic() + 10
    while children_of(mark) and time.monotonic() < until:
        time.sleep(0.1)
    assert not children_of(mark)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--local", "--model", "none.onnx"], "model 'none.onnx' does not exist"),
        (["--local", "--tracker", "a:1"], "give either --local or --tracker"),
        (["--local", "--shape", "x=1x2"], "--shape x: no --model has an input of that name"),
        (["--local", "--boards", "1", "--only", "transfers"], "transfers among 1 boards"),
        (["--tracker", "127.0.0.1:1", "--key", "k"], "tracker 127.0.0.1:1 cannot be reached"),
        (["--local", "--target", "cuda"], "target 'cuda' is not one of TVM's CPU targets"),
    ],
)
def test_bad_input_is_one_line(arguments, words, tmp_path, capsys):
    assert run_command(["profile", *arguments, "-o", str(tmp_path / "traces")]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.strip().splitlines()) == 1


def test_a_damaged_store_is_said_before_anything_is_timed(tmp_path, capsys):
    (tmp_path / "tiles").mkdir()
    (tmp_path / "tiles" / "part-000000.parquet").write_bytes(b"nothing")
    arguments = ["profile", "--local", "--boards", "1", "--minutes", "1", "-o", str(tmp_path)]
    assert run_command(arguments) == 2
    assert "part-000000.parquet' is damaged" in capsys.readouterr().err
