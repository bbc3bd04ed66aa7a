"""Fingerprints of the code that a result depends on: when they change, the result is stale.

A script depends on all modules that it imports, directly or through others and also inside
functions, on the packages that contain them, and on data files (tables of constants, C++ sources)
that a module names in its own package or in one that it imports. Comments, docstrings and layout
do not change a fingerprint (`provenance.syntax`).

A module or file whose name is composed at run time is not found. The package has none: such names
are literals where they are used.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

from sitenet.files import read_json, write_text
from sitenet.provenance.syntax import VERSION, Syntax, data_fingerprint, digest

WITHOUT_EFFECT = {
    "job": "what surrounds the one call of a script: log, record, signals, choice of the device",
    "clock": "the time at which a job started",
    "sitenet": "the version, which changes with each release, and how threads wait",
    "sitenet.files": "atomic writing; the content of a file is up to the caller",
    "sitenet.gpus": "which of several GPUs a job takes",
    "sitenet.guard": "work in processes that may fail; limits are parameters of the caller",
    "sitenet.guarded_worker": "one of these processes",
    "sitenet.lifetime": "start and end of a process",
    "sitenet.parallel": "distribution over processes; results come in the order of the items",
    "sitenet.progress": "log lines and progress bars",
    "sitenet.provenance.record": "the record beside the log of a job",
}
"""Modules that affect speed and messages but no result, with what they do.

They are left out of the fingerprints, with their imports. The kernels in C++ and Triton and their
compiler flags are not: they agree with plain PyTorch only up to rounding, which a training
amplifies to different weights, and a fault in them is a fault in the results. Nor are
`sitenet.tables`, which has the formats of the results, and modules that share a training among
processes.
"""

DISPATCHERS = {"sitenet.sources.kinds", "sitenet.sources.label_table"}
"""Modules that import one of several others inside a function; the caller names the one."""

CACHED = 2000
"""Largest number of files in the cache, counting each version of a file."""


class Code:
    """The code of a checkout, of which each file is read once.

    Args:
        root: folder with `sitenet/` and `workflow/scripts/`.
        cache: folder for the results of parsing, by the content of the files, for later processes.
    """

    def __init__(self, root: Path, cache: Path) -> None:
        self._root, self._scripts = root, root / "workflow" / "scripts"
        self._cache = cache / f"code-{VERSION}.json"
        self._parsed = _read_cache(self._cache)
        self._new = False
        self._files: dict[str, Path | None] = {}
        self._data: dict[Path, list[Path]] = {}
        self._needs: dict[Path, set[Path]] = {}
        self._fingerprints: dict[Path, str] = {}

    def fingerprint(self, script: str, *chosen: str) -> str:
        """12 hexadecimal digits for a script of the workflow and everything that it depends on.

        Args:
            script: its name, without suffix.
            chosen: modules that a module of `DISPATCHERS` imports for this job.
        """
        parts = [
            f"{path.relative_to(self._root)} {self._fingerprint(path)}"
            for path in sorted(self.closure(script, *chosen))
        ]
        self._keep()
        return digest("\n".join(parts))[:12]

    def closure(self, script: str, *chosen: str) -> set[Path]:
        """The script and the modules and data files that it depends on."""
        waiting = [self._scripts / f"{script}.py", *self._modules(chosen)]
        found: set[Path] = set()
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += self._needed_by(path)
        return found

    def _needed_by(self, path: Path) -> set[Path]:
        """The direct dependencies of one file."""
        if path.suffix != ".py":
            return set()
        if path not in self._needs:
            syntax = self._syntax(path)
            dispatches = self._name(path) in DISPATCHERS
            modules = set(self._modules(syntax.imports + ([] if dispatches else syntax.later)))
            folders = {path.parent, *(module.parent for module in modules)}
            data = {file for folder in folders for file in self._data_in(folder)}
            named = {d for d in data if any(fnmatch(d.name, pattern) for pattern in syntax.files)}
            self._needs[path] = modules | named
        return self._needs[path]

    def _modules(self, names: Iterable[str]) -> Iterator[Path]:
        """The files of modules of this checkout and of the packages that contain them."""
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                prefix = ".".join(parts[:end])
                path = self._file(prefix)
                if path is not None and prefix not in WITHOUT_EFFECT:
                    yield path

    def _file(self, name: str) -> Path | None:
        """The file of a module; None for other libraries and for what is no module."""
        if name not in self._files:
            base = self._root if name.partition(".")[0] == "sitenet" else self._scripts
            path = base.joinpath(*name.split("."))
            candidates = (path / "__init__.py", path.with_suffix(".py"))
            self._files[name] = next((file for file in candidates if file.is_file()), None)
        return self._files[name]

    def _name(self, path: Path) -> str:
        """The dotted name of a module."""
        if path.parent == self._scripts:
            return path.stem
        parts = path.relative_to(self._root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _data_in(self, folder: Path) -> list[Path]:
        if folder not in self._data:
            files = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"]
            self._data[folder] = files
        return self._data[folder]

    def _fingerprint(self, path: Path) -> str:
        if path not in self._fingerprints:
            python = path.suffix == ".py"
            self._fingerprints[path] = (
                self._syntax(path).fingerprint if python else data_fingerprint(path)
            )
        return self._fingerprints[path]

    def _syntax(self, path: Path) -> Syntax:
        content = path.read_bytes()
        key = digest(content)
        if key not in self._parsed:
            self._parsed[key] = Syntax.of(content, path)
            self._new = True
        return self._parsed[key]

    def _keep(self) -> None:
        """Write the cache if something was parsed; failing to do so costs only time."""
        if self._new:
            self._new = False
            latest = list(self._parsed.items())[-CACHED:]
            with suppress(OSError):
                write_text(self._cache, json.dumps({key: asdict(one) for key, one in latest}))


def _read_cache(path: Path) -> dict[str, Syntax]:
    """The cache of an earlier process; empty if there is none or it is damaged."""
    try:
        return {key: Syntax(**fields) for key, fields in read_json(path).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
