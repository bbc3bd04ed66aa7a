"""The way of a crystal and of a batch in docs/architecture.md: its code gives its numbers."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_examples_give_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "architecture.md").read_text()
    examples = "\n".join(re.findall(r"^```pycon\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    parsed = doctest.DocTestParser().get_doctest(examples, {}, "architecture.md", None, None)
    assert len(parsed.examples) > 50
    messages: list[str] = []
    doctest.DocTestRunner(verbose=False).run(parsed, out=messages.append)
    assert not messages, "".join(messages)


PATH = re.compile(r"`((?:[\w-]+/)+[\w.-]+\.(?:py|smk|cpp|csv|yaml|md))`")
WRITTEN = ("results/", "logs/", "tables/", "data/")


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_files_that_documents_name_are_there(page: Path) -> None:
    """As in `train/loop.py`, from sitenet/ or the root; NAME and results of a run are left out."""
    for name in PATH.findall(page.read_text()):
        if not name.startswith(WRITTEN) and "NAME" not in name and "GROUP" not in name:
            assert (ROOT / name).exists() or (ROOT / "sitenet" / name).exists(), name
