"""The documentation: built strictly, without a network; every link leads somewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("mkdocs", reason="make docs installs MkDocs")

ROOT = Path(__file__).resolve().parents[2]
ASSETS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "srcset"}


class Page(HTMLParser):
    """What a page loads, what it links to, and the anchors it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.assets: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag in ASSETS and values.get("rel") not in ("prev", "next", "canonical"):
            self.assets.append(values.get(ASSETS[tag], ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the built site."""
    folder = tmp_path_factory.mktemp("site")
    process = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return {path: Page(path) for path in folder.rglob("*.html") if path.name != "404.html"}


def test_every_page_is_there(site: dict[Path, Page]) -> None:
    names = {path.stem for path in site}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= names
    assert {"configuration", "command_line", "crystal", "model", "train"} <= names


def test_nothing_is_loaded_from_elsewhere(site: dict[Path, Page]) -> None:
    for path, page in site.items():
        for asset in filter(None, page.assets):
            parts = urlsplit(asset)
            assert not parts.scheme or parts.scheme == "data", f"{path.name} loads {asset}"
            assert (path.parent / unquote(parts.path)).exists(), f"{path.name} lacks {asset}"
        assert "mermaid" not in path.read_text()  # would be fetched
    folder = next(path.parent for path in site if path.name == "index.html")
    for sheet in folder.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?https?:", sheet.read_text()), sheet


def test_links_lead_to_pages_and_anchors(site: dict[Path, Page]) -> None:
    broken = []
    for path, page in site.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            known = site.get(target)
            if not target.exists() or (known and anchor and anchor not in known.anchors):
                broken.append(f"{path.name}: {link}")
    assert not broken


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "config/README.md"])
def test_links_of_other_documents_lead_to_files(name: str) -> None:
    page = ROOT / name
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        if not urlsplit(link).scheme:
            target = page.parent / path
            assert target.exists(), link
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if anchor else []
            slugs = {re.sub(r"[^\w]+", "-", title.lower()).strip("-") for title in titles}
            assert not anchor or anchor in slugs, link


def test_readme_is_an_entrance() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 130
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert {"docs/images/fig7.png", "docs/images/flow.svg"} == set(pictures)
    assert (ROOT / "docs/images/fig7.png").stat().st_size < 150_000
