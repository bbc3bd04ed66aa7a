"""The mutation test itself: what it changes, which tests it takes, and that it is up to date."""

import ast
from pathlib import Path

import pytest
import run
from operators import mutants, sample
from tests_of import covering

ROOT = Path(__file__).resolve().parents[2]


def changed(source: str) -> set[str]:
    """The mutants of one line."""
    return {mutant.applied(source.encode()).decode() for mutant in mutants(source.encode())}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"x = a <= b", "x = a >= b"}),
        ("x = a == b", {"x = a != b"}),
        ("x = a is not None", {"x = a is None"}),
        ("x = (a) + b", {"x = (a) - b"}),
        ("x = a // b", {"x = a / b"}),
        ("x = a and b and c", {"x = a or b and c", "x = a and b or c"}),
        ("x = -a", {"x = (a)"}),
        ("x = 3", {"x = 4"}),
        ("x = 0.5", {"x = 1.0"}),
        ("x = True", {"x = False"}),
        ("x = f(a, b)", {"x = f(b, a)"}),
        ("x = f(a, *b)", set()),
        ("x = np.min(a)", {"x = np.max(a)"}),
        ("f()", {"pass"}),
        ("n += k", {"n -= k", "pass"}),
        ("x = a if b else c", {"x = a if not (b) else c"}),
        ("raise ValueError(1 + 2)", {"pass"}),
        ('log.info(f"{a + b}")', set()),
        ('"""1 + 1"""', set()),
        ("x: Literal[1] = y", set()),
        ("x = zip(a, strict=True)", set()),
        ('é = "é"; x = 1', {'é = "é"; x = 2'}),
    ],
)
def test_changes_by_hand(source: str, expected: set[str]) -> None:
    assert changed(source) == expected


@pytest.mark.parametrize("module", ["crystal/merging.py", "train/loop.py", "model/layers.py"])
def test_every_mutant_is_another_program(module: str) -> None:
    source = (ROOT / "sitenet" / module).read_bytes()
    found = mutants(source)
    assert len(found) > 50
    original = ast.dump(ast.parse(source))
    for mutant in found:
        assert ast.dump(ast.parse(mutant.applied(source))) != original


def test_a_sample_is_drawn_by_its_seed_and_spread_over_lines() -> None:
    found = mutants((ROOT / "sitenet/crystal/merging.py").read_bytes())
    few = sample(found, 20, "0")
    assert few == sample(found, 20, "0")
    assert few != sample(found, 20, "1")
    assert len({mutant.line for mutant in few}) == 20
    assert sample(found, 10_000, "0") == found


def test_named_mutations_are_of_the_present_code() -> None:
    """Each replaces what is once in its file, by another program, under tests that exist."""
    named = run.named()
    assert len({mutation.name for mutation in named}) == len(named) > 75
    for mutation in named:
        assert ast.dump(ast.parse(mutation.source)) != ast.dump(
            ast.parse((ROOT / mutation.file).read_bytes())
        )
        assert all((ROOT / test).is_file() for test in mutation.tests)


def test_every_module_has_tests_of_its_own_room_or_that_import_it() -> None:
    for module in run.MODULES:
        assert covering(f"sitenet/{module}")
    assert "tests/crystal/test_merging.py" in covering("sitenet/crystal/merging.py")[:3]
