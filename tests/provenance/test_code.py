"""Fingerprints of code: what changes them, and that they follow every import."""

import ast
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from sitenet.provenance.code import DISPATCHERS, WITHOUT_EFFECT, Code

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")} - {
    "job",
    "clock",
    "labelled",
}

FILES = {
    "workflow/scripts/train.py": '''
        """Trains."""
        from job import job
        from sitenet.train.fit import fit, LATER

        fit(job, 3)  # a comment
    ''',
    "workflow/scripts/job.py": "import sitenet.tables\njob = 1\n",
    "workflow/scripts/plot.py": "import sitenet.plot\n",
    "sitenet/__init__.py": "__version__ = '1'\n",
    "sitenet/options/__init__.py": "",
    "sitenet/options/option.py": "option = max\n",
    "sitenet/tables.py": "TABLES = 1\n",
    "sitenet/plot.py": "from sitenet import progress\n",
    "sitenet/progress.py": "import sitenet.tables\n",
    "sitenet/train/__init__.py": "SHARED = 1\n",
    "sitenet/train/fit.py": '''
        """Fits."""
        from typing import TYPE_CHECKING

        from sitenet import plot
        from sitenet.options.option import option

        if TYPE_CHECKING:
            from sitenet.train.types import Type

        LATER = "sitenet.train.literal"

        class Settings:
            heads: int = option(3, "Heads.", at_least=1)
            width: int = 8

        def fit(job, n: "Type"):
            """Fits once."""
            from sitenet.train import lazily

            class Fitted:
                """Documented."""

            return lazily.NAME, [n]
    ''',
    "sitenet/train/types.py": "Type = int\n",
    "sitenet/train/literal.py": "VALUE = 1\n",
    "sitenet/train/lazily.py": "import torch\nNAME = 'table.csv'\nSOURCES = '*.cpp'\n",
    "sitenet/train/table.csv": "a,b\n1,2\n",
    "sitenet/train/other.csv": "a,b\n1,2\n",
    "sitenet/train/kernel.cpp": """
        // a kernel
        int f() { return 1; }  /* one */
        auto s = "// no";
    """,
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
    return tmp_path


def fingerprint(checkout: Path, script: str = "train") -> str:
    """As of a new process."""
    return Code(checkout, checkout / "cache").fingerprint(script)


def test_a_script_depends_on_all_that_it_imports(checkout: Path) -> None:
    found = Code(checkout, checkout / "cache").closure("train")
    assert {str(path.relative_to(checkout)) for path in found} == {
        "workflow/scripts/train.py", "sitenet/train/__init__.py", "sitenet/train/fit.py",
        "sitenet/options/__init__.py", "sitenet/options/option.py",
        "sitenet/plot.py", "sitenet/train/lazily.py", "sitenet/train/literal.py",
        "sitenet/train/table.csv", "sitenet/train/kernel.cpp",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("workflow/scripts/train.py", "# a comment", "# another"),
        ("workflow/scripts/train.py", '"""Trains."""', '"""Trains\n\nat length."""'),
        ("workflow/scripts/train.py", "fit(job, 3)", "\n\nfit(\n    job,\n    3,\n)"),
        ("sitenet/train/fit.py", "Fits once.", "Fits."),
        ("sitenet/train/fit.py", '"""Documented."""', "pass"),
        ("sitenet/train/fit.py", "from sitenet.train.types import Type", "Type = float"),
        ("sitenet/train/fit.py", 'option(3, "Heads.", at_least=1)', 'option(4, "Of attention.")'),
        ("sitenet/train/kernel.cpp", "// a kernel", "// our kernel\n\n"),
        ("sitenet/train/kernel.cpp", "/* one */", "/* 1\n */"),
        ("sitenet/train/types.py", "int", "float"),
        ("sitenet/train/other.csv", "1", "9"),
        ("sitenet/tables.py", "1", "2"),
        ("sitenet/__init__.py", "1", "2"),
        ("workflow/scripts/job.py", "1", "2"),
        ("workflow/scripts/plot.py", "sitenet.plot", "sitenet.tables"),
    ],
)
def test_what_changes_no_result_leaves_the_fingerprint(
    checkout: Path, file: str, old: str, new: str
) -> None:
    before = fingerprint(checkout)
    change(checkout / file, old, new)
    assert fingerprint(checkout) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("workflow/scripts/train.py", "fit(job, 3)", "fit(job, 4)"),
        ("sitenet/train/fit.py", "[n]", "[n, n]"),
        ("sitenet/train/fit.py", "[n]", "(n,)"),
        ("sitenet/train/fit.py", "fit(job, n:", "fit(job, /, n:"),
        ("sitenet/train/fit.py", "width: int = 8", "width: int = 9"),
        ("sitenet/options/option.py", "max", "min"),
        ("sitenet/train/__init__.py", "1", "2"),
        ("sitenet/train/literal.py", "1", "1.0"),
        ("sitenet/train/lazily.py", "torch", "numpy"),
        ("sitenet/train/table.csv", "1", "9"),
        ("sitenet/train/kernel.cpp", "return 1", "return 2"),
        ("sitenet/train/kernel.cpp", "// no", "// yes"),
        ("sitenet/plot.py", "import progress", "import tables"),
    ],
)
def test_what_may_change_a_result_changes_the_fingerprint(
    checkout: Path, file: str, old: str, new: str
) -> None:
    before = fingerprint(checkout)
    change(checkout / file, old, new)
    after = fingerprint(checkout)
    assert after != before
    change(checkout / file, new, old)
    assert fingerprint(checkout) == before


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_renamed_module_is_another(checkout: Path) -> None:
    before = fingerprint(checkout)
    (checkout / "sitenet/train/literal.py").rename(checkout / "sitenet/train/renamed.py")
    change(checkout / "sitenet/train/fit.py", "train.literal", "train.renamed")
    assert fingerprint(checkout) != before


def test_modules_that_are_chosen_are_those_that_the_caller_names(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitenet.provenance.code.DISPATCHERS", {"sitenet.train.fit"})
    code = Code(checkout, checkout / "cache")
    lazily = checkout / "sitenet/train/lazily.py"
    assert lazily not in code.closure("train")
    assert lazily in code.closure("train", "sitenet.train.lazily")


@pytest.mark.parametrize("damage", [lambda path: path.write_text("{"), Path.unlink])
def test_the_cache_changes_nothing(checkout: Path, damage: Callable[[Path], None]) -> None:
    before = fingerprint(checkout)
    (kept,) = (checkout / "cache").iterdir()
    assert fingerprint(checkout) == before
    damage(kept)
    assert fingerprint(checkout) == before
    assert kept.stat().st_size > 100


def test_nothing_is_parsed_twice(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(checkout)
    monkeypatch.setattr(ast, "parse", None)
    assert fingerprint(checkout) == before


IMPORTED = """
import ast, json, sys
from pathlib import Path

root, names = Path(sys.argv[1]), sys.argv[2:]
sys.path[:0] = [str(root), str(root / "workflow/scripts")]
found = {}
for name in names:
    for module in [one for one in sys.modules if one.partition(".")[0] == "sitenet"]:
        del sys.modules[module]
    tree = ast.parse((root / "workflow/scripts" / f"{name}.py").read_text())
    tree.body = [
        node for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and getattr(node, "module", None) != "job"
    ]
    exec(compile(tree, name, "exec"), {})
    found[name] = sorted(one for one in sys.modules if one.partition(".")[0] == "sitenet")
print(json.dumps(found))
"""


def test_no_module_that_a_script_imports_is_missed() -> None:
    """What Python imports when the scripts start."""
    names = sorted(SCRIPTS)
    command = [sys.executable, "-c", IMPORTED, str(ROOT), *names]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    code = Code(ROOT, ROOT / ".snakemake")
    for name, imported in json.loads(process.stdout).items():
        known = {path.relative_to(ROOT) for path in code.closure(name)}
        for module in set(imported) - set(WITHOUT_EFFECT):
            path = Path(*module.split("."))
            assert {path.with_suffix(".py"), path / "__init__.py"} & known, (name, module)


def test_every_exception_is_still_a_module() -> None:
    for name in {*WITHOUT_EFFECT, *DISPATCHERS}:
        folder = ROOT if name.startswith("sitenet") else ROOT / "workflow/scripts"
        path = folder.joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name


def test_data_files_of_the_package_belong_to_what_reads_them() -> None:
    code = Code(ROOT, ROOT / ".snakemake")
    data = {
        path for path in (ROOT / "sitenet").rglob("*.*")
        if path.suffix in (".csv", ".cpp", ".h")
    }  # fmt: skip
    assert data
    assert data <= {path for name in ("featurise", "train") for path in code.closure(name)}
