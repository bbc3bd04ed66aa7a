"""Adds generated pages to the site: references, API, documents of the repository's root."""

from pathlib import Path

import api_pages
import command_line_page
from layers_picture import picture
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from package_imports import rooms

from sitenet.cli.arguments import make_parser
from sitenet.options.reference import reference

ROOT = Path(__file__).resolve().parents[2]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the API in the navigation."""
    names = [{name: f"api/{name}.md"} for name in rooms()]
    config.nav = [{"Python API": names} if "Python API" in entry else entry for entry in config.nav]
    return config


def from_root(name: str) -> str:
    """A page of the repository's root, with links as seen from docs/."""
    return (
        (ROOT / name).read_text().replace("](docs/", "](").replace("CHANGELOG.md", "changelog.md")
    )


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated files."""
    generated = {
        **api_pages.pages(),
        "reference/configuration.md": reference(),
        "reference/command_line.md": command_line_page.markdown(make_parser()),
        "contributing.md": from_root("CONTRIBUTING.md"),
        "changelog.md": from_root("CHANGELOG.md"),
        "images/layers.svg": picture(),
    }
    for path, content in generated.items():
        if known := files.get_file_from_path(path):
            files.remove(known)
        files.append(File.generated(config, path, content=content))
    return files
