# SPDX-License-Identifier: Apache-2.0
"""How processors add products of small integers to sums of 32 bits.

Each instruction takes some numbers of the data, the same for all sums, and as many weights for each
sum. All are exact: the sum is that of the integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tvm
from tvm import te, tir
from tvm.target.codegen import llvm_version_major, target_has_features

#: The LLVM whose x86 dot products take vectors of bytes, of numbers of 32 bits before.
BYTES_SINCE = 22
#: Arguments of an instruction by which LLVM tells it from others of its name.
_SIGNATURE = tir.const(3, "uint32")


@dataclass(frozen=True)
class Products:
    """One such instruction.

    Parameters
    ----------
    name : str
        The instruction's.
    together : int
        Numbers of the data that each sum gets the products of: 4, 2 or 1.
    data, weight : str
        Types that it multiplies. Where data are int8, uint8 is taken 128 lower.
    sums : tuple of int
        How many sums it can take, most first.
    steps : int
        How often in succession it is best done, where there is as much to multiply.
    """

    name: str
    together: int
    data: str
    weight: str
    sums: tuple[int, ...]
    steps: int = 1

    @property
    def is_pair(self) -> bool:
        """Whether products of 16 bits are made first and then added to sums."""
        return self.name == "smull"

    @property
    def instructions(self) -> float:
        """Of a step."""
        return (self.steps + 1) / self.steps if self.is_pair else 1.0

    @property
    def beside(self) -> tuple[int, int]:
        """Registers beside the sums: for each row or pixel of a tile, and for all together.

        Where products are made first, numbers of the data are spread, and some products wait.
        """
        return (self.steps, 6) if self.is_pair else (1, 3)

    def successive(self, groups: int) -> int:
        """How often it is done in succession where there are so many groups to multiply."""
        return self.steps if groups % self.steps == 0 else 1

    def lanes(self, block: int) -> int | None:
        """The most sums at once that divide a block of channels; None if none do."""
        return next((n for n in self.sums if block % n == 0), None)


#: The least of 8 bits. Twice its square does not fit 16 bits.
LEAST = -128
#: Without dot products ARM adds pairs of products of 16 bits to a sum, of which the first may be a
#: sum of two itself, unless a weight is `LEAST`.
SMULL = Products("smull", 2, "int8", "int8", (4,))
SMULL_SMLAL = Products("smull", 2, "int8", "int8", (4,), 2)
#: Weights of 16 bits get one product for each sum.
SMLAL = Products("smlal", 1, "int16", "int16", (4,))
SDOT = Products("sdot", 4, "int8", "int8", (4,))
VNNI = Products("vpdpbusd", 4, "uint8", "int8", (16, 8, 4))
MADDWD = Products("vpmaddwd", 2, "int16", "int16", (16, 8, 4))


def products_of(
    target: tvm.target.Target, weight: str, keeps_sign: bool = False, least: int = LEAST
) -> Products | None:
    """The instruction with which a target multiplies data of 8 bits by constant weights.

    Parameters
    ----------
    target : tvm.target.Target
        For LLVM.
    weight : str
        ``int8`` or ``int16``.
    keeps_sign : bool
        Whether data are int8; uint8 otherwise.
    least : int
        No weight is less.
    """
    if target.kind.name != "llvm":
        return None
    narrow = weight == "int8"
    if "arm_cpu" in target.keys:
        if not str(target.attrs.get("mtriple", "")).startswith(("aarch64", "arm64")):
            return None
        if narrow and target_has_features(["dotprod"], target):
            return SDOT
        if narrow:
            return SMULL_SMLAL if least > LEAST else SMULL
        return SMLAL
    if narrow and not keeps_sign and target_has_features(["avx512vnni", "avx512vl"], target):
        return VNNI
    if not target_has_features(["avx2"], target):
        return None
    wide = target_has_features(["avx512bw"], target)
    return MADDWD if wide else Products("vpmaddwd", 2, "int16", "int16", (8, 4))


def tensor_intrinsic(products: Products, lanes: int, steps: int = 1) -> te.TensorIntrin:
    """The instruction for ``te.Stage.tensorize`` of sums and of what is multiplied together.

    Parameters
    ----------
    products : Products
        With two numbers together or more.
    lanes : int
        Sums.
    steps : int
        How often it is done.
    """
    together = products.together
    data = te.placeholder((steps * together,), products.data, "data")
    weight = te.placeholder((steps, lanes, together), products.weight, "weight")
    g, i = te.reduce_axis((0, steps), "g"), te.reduce_axis((0, together), "i")

    def term(b):
        number = data[g * together + i].astype("int32")
        return te.sum(number * weight[g, b, i].astype("int32"), axis=[g, i])

    sums = te.compute((lanes,), term, "sums")
    pitch = tir.Var("pitch", "int32")
    buffers = {
        tensor: tir.decl_buffer(
            tensor.shape, tensor.dtype, tensor.op.name, offset_factor=1, strides=strides
        )
        for tensor, strides in ((data, [1]), (weight, [pitch, together, 1]))
    }
    vector = f"int32x{lanes}"
    add = _ADDED[products.name]

    def intrinsic(ins, outs):
        def body(fresh: bool, products_too: bool) -> tir.Stmt:
            builder = tir.ir_builder.create()
            old = tir.const(0, vector) if fresh else outs[0].vload([0], vector)
            builder.emit(outs[0].vstore(0, add(old, *ins, lanes) if products_too else old))
            return builder.get()

        return body(True, True), body(True, False), body(False, True)

    params = {"offset_factor": 1}
    return te.decl_tensor_intrin(sums.op, intrinsic, binds=buffers, default_buffer_params=params)


def _spread(data: tir.Buffer, together: int, lanes: int) -> tir.PrimExpr:
    """What is multiplied together as one number of 32 bits, for each sum."""
    value = data.vload([0], f"{data.dtype}x{together}")
    return tir.Broadcast(tir.reinterpret("int32", value), lanes)


def _sdot(old, data, weight, lanes: int) -> tir.PrimExpr:
    numbers = tir.reinterpret("int8x16", _spread(data, 4, lanes))
    weights = weight.vload([0, 0, 0], "int8x16")
    name = "llvm.aarch64.neon.sdot.v4i32.v16i8"
    return tir.call_llvm_pure_intrin("int32x4", name, _SIGNATURE, old, weights, numbers)


def _smull(old, data, weight, lanes: int) -> tir.PrimExpr:
    pairs, added = f"int8x{2 * lanes}", None
    for step in range(int(weight.shape[0])):
        value = tir.reinterpret("int16", data.vload([2 * step], "int8x2"))
        numbers = tir.reinterpret(pairs, tir.Broadcast(value, lanes))
        weights = weight.vload([step, 0, 0], pairs)
        name = "llvm.aarch64.neon.smull.v8i16"
        made = tir.call_llvm_pure_intrin("int16x8", name, tir.const(2, "uint32"), weights, numbers)
        added = made if added is None else added + made
    name = "llvm.aarch64.neon.saddlp.v4i32.v8i16"
    return old + tir.call_llvm_pure_intrin("int32x4", name, tir.const(1, "uint32"), added)


def _vpdpbusd(old, data, weight, lanes: int) -> tir.PrimExpr:
    weights = weight.vload([0, 0, 0], f"int8x{4 * lanes}")
    numbers = _spread(data, 4, lanes)
    if llvm_version_major() >= BYTES_SINCE:
        numbers = tir.reinterpret(f"int8x{4 * lanes}", numbers)
    else:
        weights = tir.reinterpret(f"int32x{lanes}", weights)
    name = f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
    return tir.call_llvm_pure_intrin(f"int32x{lanes}", name, _SIGNATURE, old, numbers, weights)


def _vpmaddwd(old, data, weight, lanes: int) -> tir.PrimExpr:
    pairs = f"int16x{2 * lanes}"
    numbers = tir.reinterpret(pairs, _spread(data, 2, lanes))
    name = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd",
            16: "llvm.x86.avx512.pmaddw.d.512"}[lanes]  # fmt: skip
    signature = tir.const(2, "uint32")
    weights = weight.vload([0, 0, 0], pairs)
    added = tir.call_llvm_pure_intrin(f"int32x{lanes}", name, signature, numbers, weights)
    return old + added


_ADDED: dict[str, Callable[..., tir.PrimExpr]] = {
    "sdot": _sdot,
    "smull": _smull,
    "vpdpbusd": _vpdpbusd,
    "vpmaddwd": _vpmaddwd,
}
