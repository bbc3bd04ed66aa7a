"""Builds the C++ kernels on demand with the machine's compiler and keeps them in a cache folder."""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = tuple(sorted(Path(__file__).parent.glob("*.cpp")))
FLAGS = (
    "-std=c++20",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-strict-aliasing",
    "-fopenmp",
    "-fPIC",
    "-shared",
)


class NoCompiler(RuntimeError):
    """No C++ compiler, or it failed; the message says which."""


def library() -> Path:
    """The shared library of these sources, compiler and CPU; compiled now if it is not cached yet.

    The folder is $XDG_CACHE_HOME/sitenet, else ~/.cache/sitenet. Several processes may build at
    once: each writes its own file and moves it into place. Raises NoCompiler.
    """
    compiler = _compiler()
    target = _cache() / f"kernels-{_key(compiler)}.so"
    if not target.exists():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                built = Path(folder) / target.name
                _run([compiler, *FLAGS, "-o", str(built), *map(str, SOURCES)])
                built.replace(target)
        except OSError as error:
            raise NoCompiler(f"cannot write {target}: {error}") from error
    return target


def _compiler() -> str:
    for name in (os.environ.get("CXX", ""), "g++", "c++", "clang++"):
        if found := shutil.which(name):
            return found
    raise NoCompiler("no C++ compiler found (CXX, g++, c++, clang++)")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sitenet"


def _key(compiler: str) -> str:
    parts = [_run([compiler, "--version"]), *FLAGS, _cpu()]
    parts += [path.read_text() for path in (*SOURCES, *sorted(SOURCES[0].parent.glob("*.h")))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _cpu() -> str:
    """What -march=native depends on: nodes of one cluster may share the cache folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(line for line in lines if line.startswith(wanted))


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompiler(f"{command[0]}: {error}") from error
    if done.returncode:
        raise NoCompiler(f"{command[0]} failed: {done.stderr.strip()[:500]}")
    return done.stdout
