"""Layers of the package: a module imports its own layer and those above it, never in circles."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sitenet"

BASE = ("files", "tables", "progress", "parallel", "gpus")
"""Modules without a folder, which form the first layer."""

LAYERS = ("base", "options", "structure", "crystal", "sources", "splits", "shards", "model",
          "evaluate", "train", "tune", "analysis", "plots", "provenance", "plan",
          "cli")  # fmt: skip


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; packages by their `__init__`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_names(module: str) -> Iterator[str]:
    """Dotted names of all imports of a module, at its top or inside functions."""
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_of(module: str) -> set[str]:
    """Modules of the package that one imports."""
    names = {name for name in imported_names(module) if name.startswith("sitenet.")}
    return {name if name in modules() else name.rpartition(".")[0] for name in names}


def layer(module: str) -> str:
    """The layer of a module, such as crystal for sitenet.crystal.supercell."""
    name = module.split(".")[1]
    if name == "__main__":  # starts the command line
        return "cli"
    return "base" if name in BASE else name


MODULES = sorted(name for name in modules() if name != "sitenet")


def test_every_module_has_a_layer() -> None:
    assert {layer(module) for module in MODULES} <= set(LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_upwards(module: str) -> None:
    allowed = LAYERS[: LAYERS.index(layer(module)) + 1]
    found = imports_of(module) - {"sitenet"}
    assert found <= set(modules())
    assert not {name for name in found if layer(name) not in allowed}


def test_there_are_no_circles() -> None:
    graph = {module: imports_of(module) - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circular imports: {' -> '.join(error.args[1])}")


def test_the_package_does_not_know_the_workflow() -> None:
    for module in modules():
        roots = {name.split(".")[0] for name in imported_names(module)}
        assert not roots & {"snakemake", "job", "clock"}, module
