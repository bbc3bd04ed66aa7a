"""Layers of the package: a module imports its own room and earlier ones, never in circles."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest
from package_imports import ORDER, imported, modules, room

MODULES = sorted(modules())


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_upwards(module: str) -> None:
    allowed = ORDER[: ORDER.index(room(module)) + 1]
    assert not [name for name in imported(modules()[module]) if room(name) not in allowed]


def test_there_are_no_circles() -> None:
    graph = {module: set(imported(path)) - {module} for module, path in modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circular imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", MODULES)
def test_the_package_does_not_know_the_workflow(module: str) -> None:
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [node.module or ""]
        assert not {name.split(".")[0] for name in names} & {"snakemake", "job", "clock"}
