# SPDX-License-Identifier: Apache-2.0
"""A Python of another architecture with TVM's runtime, under qemu-user, in a cache folder.

It is Debian's own Python for that architecture and TVM's own wheel, unpacked side by side: nothing
is installed, and the system's package manager keeps its state. No binfmt_misc is needed either:
the interpreter is a script that starts qemu with the interpreter's own path as ``argv[0]``, so
Python takes the script for itself, also when TVM's server starts its children with it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ...errors import ClusterError
from .lock import locked

DEBIAN_ARCH = {"aarch64": "arm64", "x86_64": "amd64"}
WHEEL_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
PACKAGES = ("python3", "libstdc++6")
TVM = "xtc-tvm-python-bindings"
TVM_VERSION = "0.19.0.12"
# Folders whose content Python does not need.
UNUSED = ("root/usr/share/doc", "root/usr/share/man", "root/usr/share/locale", "apt")
MARK = "complete"


@dataclass(frozen=True)
class EmulatedPython:
    """Where an emulated Python is.

    Parameters
    ----------
    folder : Path
        All of it.
    """

    folder: Path

    @property
    def interpreter(self) -> Path:
        """The script that runs it under qemu."""
        return self.folder / "root/usr/bin/python-on-qemu"

    @property
    def program(self) -> Path:
        """The interpreter itself."""
        link = self.folder / "root/usr/bin/python3"
        return link.parent / os.readlink(link)

    @property
    def packages(self) -> Path:
        """The folder with TVM and what it imports."""
        return self.folder / "packages"

    @property
    def complete(self) -> bool:
        """Whether all of it is there and unchanged."""
        mark = self.folder / MARK
        return mark.is_file() and mark.read_text() == fingerprint(self.folder)


def prepare_emulated(arch: str, cache: Path | None = None) -> EmulatedPython:
    """The emulated Python of an architecture: from the cache, or made now (20 s, 0.3 GB).

    Parameters
    ----------
    arch : str
        ``aarch64`` or ``x86_64``.
    cache : Path, optional
        Where it is kept; ``$XDG_CACHE_HOME/flexpie`` by default.

    Raises
    ------
    ClusterError
        If qemu, apt or dpkg is missing, or a package cannot be had.
    """
    qemu = shutil.which(f"qemu-{arch}-static")
    if qemu is None:
        raise ClusterError(
            f"{arch} boards run under qemu-{arch}-static, which is not here: "
            "install qemu-user-static"
        )
    cache = cache or default_cache()
    python = EmulatedPython(cache / f"{arch}-tvm{_tvm_version()}")
    if python.complete:
        return python
    with locked(cache, python.folder.name):
        if not python.complete:  # nobody else made it while we waited
            shutil.rmtree(python.folder, ignore_errors=True)
            _make(python, arch, qemu)
    return python


def default_cache() -> Path:
    """The user's cache folder of this program."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flexpie"


def fingerprint(folder: Path) -> str:
    """Hash of names and sizes of the files that run (not of what Python compiles beside them)."""
    digest = hashlib.sha256()
    for top in ("root", "packages"):
        for path in sorted((folder / top).rglob("*")):
            if path.is_file() and not path.is_symlink() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def _make(python: EmulatedPython, arch: str, qemu: str) -> None:
    folder = python.folder
    try:
        _unpack_debian(folder, DEBIAN_ARCH[arch])
        _write_script(python, qemu)
        version = python.program.name.removeprefix("python")
        _install_packages(python.packages, arch, version)
        for unused in UNUSED:
            shutil.rmtree(folder / unused, ignore_errors=True)
        _check(python, arch)
        (folder / MARK).write_text(fingerprint(folder))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unpack_debian(folder: Path, arch: str) -> None:
    """Fetch Python and what it depends on, with lists and caches of our own, and unpack."""
    apt = folder / "apt"
    for name in ("lists/partial", "archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()  # nothing is installed, so all dependencies are fetched
    settings = {
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    # Sources that lack the architecture are no error as long as the packages are found.
    _run(["apt-get", *options, "-qq", "update"], check=False)
    wanted = ["install", "--download-only", "--no-install-recommends", "-y", "-qq", *PACKAGES]
    _run(["apt-get", *options, *wanted])
    for package in sorted((apt / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(folder / "root")])


def _write_script(python: EmulatedPython, qemu: str) -> None:
    script = python.interpreter
    root = python.folder / "root"
    script.write_text(f'#!/bin/sh\nexec {qemu} -0 "$0" -L "{root}" "{python.program}" "$@"\n')
    script.chmod(0o755)


def _install_packages(folder: Path, arch: str, version: str) -> None:
    platforms = [part for name in WHEEL_PLATFORMS for part in ("--platform", f"{name}_{arch}")]
    _run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--target", str(folder), "--only-binary=:all:", "--python-version", version),
            *("--implementation", "cp", "--no-compile", *platforms, f"{TVM}=={_tvm_version()}"),
        ]
    )
    (folder / "tvm/libtvm.so").unlink()  # the compiler: boards have the runtime only


def _tvm_version() -> str:
    """The host's version, so that both ends of RPC agree; a host may have built its own TVM."""
    try:
        return importlib.metadata.version(TVM)
    except importlib.metadata.PackageNotFoundError:
        return TVM_VERSION


def _check(python: EmulatedPython, arch: str) -> None:
    code = "import platform, tvm; print(platform.machine(), tvm.__version__)"
    environment = {"PYTHONPATH": str(python.packages), "TVM_USE_RUNTIME_LIB": "1"}
    said = _run([str(python.interpreter), "-c", code], environment).split()
    if said[-2:-1] != [arch]:
        raise ClusterError(f"the emulated Python says that it is '{' '.join(said)}', not {arch}")


def _run(command: list[str], extra: dict[str, str] | None = None, check: bool = True) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(extra or {})},
        )
    except FileNotFoundError:
        raise ClusterError(
            f"emulated boards are made with '{command[0]}', which is not here: "
            "they need Debian or Ubuntu"
        ) from None
    if check and done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it gave no reason"]
        raise ClusterError(f"preparing an emulated board failed in '{command[0]}': {words[-1]}")
    return done.stdout
