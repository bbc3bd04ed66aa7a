"""Which test files cover a module: those that import it, and those of its room that reach it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SLOW = {"pipeline", "docs", "slurm", "tune"}
"""Folders of tests that run Snakemake, a site generator, Slurm or Ray."""


@cache
def imported(path: Path) -> frozenset[Path]:
    """Files of the package and of the tests' helpers that a file imports, also in functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            places = [ROOT / name.replace(".", "/"), ROOT / "tests" / "helpers" / name]
            found |= {p for place in places if (p := place.with_suffix(".py")).is_file()}
    return frozenset(found)


@cache
def reached(path: Path) -> frozenset[Path]:
    """All files that an import of this file loads."""
    found, left = set[Path](), [path]
    while left:
        for other in imported(left.pop()):
            if other not in found:
                found.add(other)
                left.append(other)
    return frozenset(found)


def direct(test: Path) -> frozenset[Path]:
    """Files that a test file imports itself or by a helper."""
    helpers = {path for path in reached(test) if path.parent.name == "helpers"}
    return imported(test).union(*map(imported, helpers))


def covering(module: str) -> tuple[str, ...]:
    """Test files for a module of the package, those that import it directly first.

    Raises ValueError if there are none.
    """
    path = ROOT / module
    room = Path(module).parts[1]
    ranked = []
    for test in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = test.relative_to(ROOT / "tests").parts[0]
        if folder in SLOW:
            continue
        own = folder == room
        if path in direct(test) or (own and path in reached(test)):
            ranked.append((path not in imported(test), not own, test))
    if not ranked:
        raise ValueError(f"no test file covers {module}")
    return tuple(str(test.relative_to(ROOT)) for *_, test in sorted(ranked))
