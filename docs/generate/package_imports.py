"""Imports between the rooms of the package, in the order in which they may import."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "sitenet"

ORDER = ["base", "options", "structure", "crystal", "sources", "splits", "shards", "model",
         "evaluate", "train", "tune", "analysis", "plots", "few", "api", "provenance",
         "plan", "cli"]  # fmt: skip
"""A room may import those before it. `base` is the modules that are in no folder."""

BASE = "Files that are whole or absent, tables, progress, processes, GPUs of a machine."


@cache
def modules() -> dict[str, Path]:
    """Each module of the package by its dotted name, without the `__init__`s."""
    paths = sorted(PACKAGE.rglob("*.py"))
    dotted = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
              for path in paths}  # fmt: skip
    return {name: path for name, path in dotted.items() if not name.endswith("__init__")}


def room(module: str) -> str:
    """The room of a module, such as crystal for sitenet.crystal.supercell."""
    parts = module.split(".")
    if len(parts) > 2:
        return parts[1]
    return "cli" if parts[-1] == "__main__" else "base"


def imported(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, at its top or inside functions."""
    known = modules()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in members]
        else:
            continue
        yield from {name for name in names if name in known}


def rooms() -> list[str]:
    """The rooms there are, in their order. Raises ValueError for one that has no place in it."""
    found = {room(module) for module in modules()}
    if unknown := found - set(ORDER):
        raise ValueError(f"rooms without a place in the order of layers: {sorted(unknown)}")
    return [name for name in ORDER if name in found]


@cache
def edges() -> set[tuple[str, str]]:
    """Which room imports which other one: (importing, imported)."""
    found = {
        (room(module), room(name)) for module, path in modules().items() for name in imported(path)
    }
    return {(one, other) for one, other in found if one != other}


def purpose(name: str) -> str:
    """What a room is for: the first line of its docstring."""
    path = PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text())) if path.exists() else BASE
    return (text or "").split("\n")[0]
