# SPDX-License-Identifier: Apache-2.0
"""Package metadata is in pyproject.toml; this builds the native board runtime with CMake."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent.resolve()
CROSS_COMPILERS = {"aarch64": "aarch64-linux-gnu-g++"}
LIBRARY = "libflexpie_runtime.so"


class BuildWithRuntime(build_py):
    """Adds ``flexpie_tvm/native/<arch>/libflexpie_runtime.so``.

    The host's runtime is always built; another architecture's where its cross compiler is
    installed.
    """

    def run(self) -> None:
        super().run()
        package = Path(self.build_lib) / "flexpie_tvm"
        if getattr(self, "editable_mode", False):
            package = ROOT / "python" / "flexpie_tvm"
        for arch in (platform.machine(), *CROSS_COMPILERS):
            native = arch == platform.machine()
            if native or shutil.which(CROSS_COMPILERS[arch]):
                try:
                    _build_runtime(package / "native" / arch, None if native else arch)
                except subprocess.CalledProcessError:
                    # setuptools only warns of an Exception in an editable install
                    sys.exit(f"the native runtime for {arch} does not compile")


def _build_runtime(target: Path, cross: str | None) -> None:
    options = [f"-DPython3_EXECUTABLE={sys.executable}"]
    if "TVM_INCLUDE_DIRS" in os.environ:
        options.append(f"-DTVM_INCLUDE_DIRS={os.environ['TVM_INCLUDE_DIRS']}")
    if cross:
        options.append(f"-DCMAKE_TOOLCHAIN_FILE={ROOT}/cmake/{cross}-linux-gnu.cmake")
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["cmake", "-S", ROOT, "-B", scratch, *options], check=True)
        subprocess.run(["cmake", "--build", scratch, "-j", "2"], check=True)
        target.mkdir(parents=True, exist_ok=True)
        # processes that have the old library mapped keep it
        fresh = Path(shutil.copy2(Path(scratch) / LIBRARY, target / f"{LIBRARY}.new"))
        fresh.replace(target / LIBRARY)


class NativeDistribution(Distribution):
    """A wheel of ours is for one platform."""

    def has_ext_modules(self) -> bool:
        return True


class AnyPythonWheel(bdist_wheel):
    """The runtime does not know Python: one wheel serves all its versions."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    cmdclass={"build_py": BuildWithRuntime, "bdist_wheel": AnyPythonWheel},
    distclass=NativeDistribution,
)
