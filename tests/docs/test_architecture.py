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


def test_files_that_documents_name_are_there() -> None:
    """Modules in backticks, as in `train/loop.py`: below sitenet/, or from the root."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        for name in re.findall(
            r"`((?:[\w-]+/)+[\w.-]+\.(?:py|smk|cpp|csv|yaml|md))`", page.read_text()
        ):
            if name.startswith(("results/", "logs/")) or re.search(r"[A-Z]{4}", name):
                continue
            places = [ROOT / name, ROOT / "sitenet" / name, ROOT / "docs" / name]
            assert any(place.exists() for place in places), f"{page.name} names {name}"
