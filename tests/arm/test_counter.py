# SPDX-License-Identifier: Apache-2.0
"""What the counter counts, of programs whose instructions and reads are known one by one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import pytest

from flexpie_tvm.errors import ToolError
from flexpie_tvm.lab.counting.blocks import executed, read_blocks
from flexpie_tvm.lab.counting.cpus import CPUS, DataCache
from flexpie_tvm.lab.counting.cycles import cycles, hottest
from flexpie_tvm.lab.counting.disassembly import disassemble, multiply_accumulates
from flexpie_tvm.lab.counting.guest import count_program
from flexpie_tvm.lab.counting.loops import find_loops

A72 = CPUS["cortex-a72"]
#: Four instructions; the last of them switches.
SWITCH = """
    mov x8, #0x4c58
    movk x8, #0x46, lsl #16
    mov x0, #{to}
    svc #0
"""
PROGRAM = """
    .globl _start
_start:
    mov x20, #77
before:
    subs x20, x20, #1
    b.ne before
{on}
{counted}
{off}
    mov x20, #88
after:
    subs x20, x20, #1
    b.ne after
    mov x0, #{code}
    mov x8, #93
    svc #0
    .bss
    .balign 64
array:
    .zero 4194304
"""
TURNS = """
    mov x20, #{turns}
turn:
    fmla v0.4s, v1.4s, v2.4s
    fmla v3.4s, v1.4s, v2.s[1]
    subs x20, x20, #1
    b.ne turn
"""
READS = """
    mov x21, #2
pass:
    adrp x1, array
    add x1, x1, :lo12:array
    mov x20, #{reads}
read:
    ldr x2, [x1]
    add x1, x1, #{stride}
    subs x20, x20, #1
    b.ne read
    subs x21, x21, #1
    b.ne pass
"""


def program(counted: str, code: int = 0) -> str:
    ready, on, off = (SWITCH.format(to=value) for value in (2, 1, 0))
    return PROGRAM.format(on=ready + on, counted=counted, off=off, code=code)


def test_instructions_between_the_switches_are_counted_exactly(assemble):
    blocks = count_program([assemble(program(TURNS.format(turns=1234)))], A72, caches=False)
    assert sum(block.instructions for block in blocks) == 1 + 4 * 1234 + 4
    assert sum(block.l1_misses for block in blocks) == 0


def test_a_loop_is_found_with_its_passes_products_and_cycles(assemble):
    blocks = count_program([assemble(program(TURNS.format(turns=1000)))], A72, caches=False)
    loops = find_loops(executed(blocks))
    (loop,) = hottest(loops, 0.9)
    assert (len(loop.words), loop.passes) == (4, 1000)
    texts = disassemble(loop.words)
    assert [texts[word].split()[0] for word in loop.words] == ["fmla", "fmla", "subs", "b.ne"]
    assert sum(multiply_accumulates(texts[word]) for word in loop.words) == 8
    # Two independent chains of fmla: a pass lasts as long as one fmla waits for its own sum.
    (a72,), (n1,) = (cycles([loop], texts, model) for model in ("cortex-a72", "neoverse-n1"))
    assert 2 * 1000 < n1 < a72 < 8 * 1000


@pytest.mark.parametrize(
    ("reads", "stride"),
    [(256, 64), (4096, 64), (24576, 64), (3000, 60), (700, 4096), (20000, 8)],
)
def test_misses_are_those_of_caches_that_drop_the_oldest_line(reads, stride, assemble):
    text = program(READS.format(reads=reads, stride=stride))
    blocks = count_program([assemble(text)], A72, caches=True)
    lines = [line for _ in range(2) for line in touched(reads, stride)]
    l1_misses = misses(lines, A72.l1)
    assert sum(block.l1_misses for block in blocks) == len(l1_misses)
    assert sum(block.l2_misses for block in blocks) == len(misses(l1_misses, A72.l2))


def touched(reads: int, stride: int) -> Iterable[int]:
    """Lines that reads of eight bytes touch, from the start of a line."""
    for k in range(reads):
        yield from sorted({k * stride // 64, (k * stride + 7) // 64})


def misses(lines: Iterable[int], cache: DataCache) -> list[int]:
    count = cache.kib * 1024 // 64 // cache.ways
    sets: list[OrderedDict] = [OrderedDict() for _ in range(count)]
    missed = []
    for line in lines:
        held = sets[line % count]
        if line in held:
            held.move_to_end(line)
            continue
        missed.append(line)
        held[line] = True
        if len(held) > cache.ways:
            held.popitem(last=False)
    return missed


def test_a_program_that_fails_is_an_error(assemble):
    failing = assemble(program(TURNS.format(turns=1), code=3))
    with pytest.raises(ToolError, match="the program failed: exit code 3"):
        count_program([failing], A72, caches=False, told_as="the program")


def test_what_another_thread_did_is_not_left_out_unsaid():
    with pytest.raises(ToolError, match="others executed 500 instructions beside its 200"):
        read_blocks("others 500\n1000 100 0 0 d503201f d503201f\n")


def test_overlapping_blocks_add_up():
    blocks = read_blocks("others 0\n1000 10 0 0 0000000a 0000000b\n1004 5 0 0 0000000b\n")
    assert [(e.address, e.executions) for e in executed(blocks)] == [(0x1000, 10), (0x1004, 15)]


@pytest.mark.parametrize(
    ("instruction", "products"),
    [
        ("fmla v0.4s, v1.4s, v2.4s", 4),
        ("fmls v0.2s, v1.2s, v2.s[0]", 2),
        ("fmla v0.8h, v1.8h, v2.8h", 8),
        ("fmadd s0, s1, s2, s3", 1),
        ("smull v0.8h, v1.8b, v2.8b", 8),
        ("smlal2 v0.4s, v1.8h, v2.h[3]", 4),
        ("udot v0.4s, v1.16b, v2.16b", 16),
        ("smmla v0.4s, v1.16b, v2.16b", 32),
        ("fmul v0.4s, v1.4s, v2.4s", 0),
        ("fmax v0.4s, v1.4s, v2.4s", 0),
        ("ldr q0, [x0]", 0),
    ],
)
def test_multiply_accumulates(instruction, products):
    assert multiply_accumulates(instruction) == products
