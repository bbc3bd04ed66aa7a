"""Adds to the site what is generated: references, API, pages that stand at the repository's root."""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import api
import command_line
from imports import rooms
from layers import picture

from sitenet import cli


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the API in the navigation."""
    names = [{name: f"api/{name}.md"} for name in rooms()]
    config.nav = [{"Python API": names} if "Python API" in entry else entry for entry in config.nav]
    return config


def from_root(name: str) -> str:
    """A page of the repository's root, with links as seen from docs/."""
    return (ROOT / name).read_text().replace("](docs/", "](").replace("CHANGELOG.md", "changelog.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated files."""
    generated = {
        **api.pages(),
        "reference/command_line.md": command_line.markdown(cli._parser()),
        "contributing.md": from_root("CONTRIBUTING.md"),
        "changelog.md": from_root("CHANGELOG.md"),
        "images/layers.svg": picture(),
    }
    for path, content in generated.items():
        if known := files.get_file_from_path(path):
            files.remove(known)
        files.append(File.generated(config, path, content=content))
    return files
