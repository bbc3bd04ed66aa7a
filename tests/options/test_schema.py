"""The schema and the reference say what the groups of options say; the file for editors too."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from sitenet.options.config import checked
from sitenet.options.configuration import Configuration
from sitenet.options.reference import reference
from sitenet.options.schema import config_schema

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "workflow" / "schemas" / "config.schema.json"
WHOLE = ["config.yaml", "config/matbench.yaml", "config/own_cifs.yaml", "config/table.yaml"]

TASKS = {"e": {"column": "ewald_energy", "unit": "eV"}}
SHORT = {
    "datasets": {
        "a": {"source": {"kind": "prototypes"}, "tasks": TASKS},
        "b": {"source": {"kind": "matbench", "task": "matbench_phonons"}, "tasks": TASKS},
        "c": {"source": {"kind": "table", "path": "a.csv", "ids": {"path": "b.csv"}},
              "tasks": TASKS},
        "d": {"source": {"kind": "cif_folder", "path": "cifs"}, "tasks": TASKS},
    },
    "tuning": {"s": {"dataset": "a", "n": 50, "task": "e"}},
    "infomax": {
        "pretrainings": {"p": {"dataset": "a", "n": 50, "split": "e"}},
        "experiments": [{"name": "x", "dataset": "a", "n": 50, "task": "e", "pretraining": "p"}],
    },
    "runs": [{"dataset": "a", "n": 50, "tasks": ["e"]}],
}  # fmt: skip
"""Every section, with nothing but what is required."""


def properties(part: object, path: str = "") -> Iterator[tuple[str, dict]]:
    """All options in the schema, with their path in it."""
    if isinstance(part, dict):
        for name, found in part.get("properties", {}).items():
            yield f"{path}/{name}", found
        for name, found in part.items():
            yield from properties(found, f"{path}/{name}")
    elif isinstance(part, list):
        for number, found in enumerate(part):
            yield from properties(found, f"{path}/{number}")


def test_the_file_for_editors_is_up_to_date() -> None:
    """Else: python -m sitenet.options.schema > workflow/schemas/config.schema.json."""
    command = [sys.executable, "-m", "sitenet.options.schema"]
    written = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(written) == config_schema()
    assert FILE.read_text() == written


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(config_schema())


def sections(part: object) -> Iterator[dict]:
    """All objects with options; those that leave the options to a `kind` are not closed."""
    for found in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from sections(found)
    if isinstance(part, dict) and "object" in part.get("type", ()) and "allOf" not in part:
        yield part


def test_all_sections_are_closed() -> None:
    closed = [part for part in sections(config_schema()) if "properties" in part]
    assert len(closed) > 25
    assert all(part["additionalProperties"] is False for part in closed)


def test_the_defaults_of_the_schema_are_those_of_the_code() -> None:
    filled = checked(SHORT, "short.yaml")
    assert Configuration.from_dict(filled) == Configuration.from_dict(SHORT)
    assert filled["infomax"]["model"]["embedding_size"] == 0
    assert filled["infomax"]["transfer"]["training"]["schedule"] == "constant"


def test_every_option_has_a_description() -> None:
    for path, found in properties(config_schema()):
        if "const" not in found and not path.startswith("/allOf") and "/if/" not in path:
            assert re.search(r"\w.*[.)]$", found["description"]), path


@pytest.mark.parametrize("name", WHOLE)
def test_whole_configurations_name_the_schema_for_editors_and_conform_to_it(name: str) -> None:
    path = ROOT / name
    first, _, _ = path.read_text().partition("\n")
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == FILE
    schema = json.loads(FILE.read_text())
    Draft202012Validator(schema).validate(yaml.safe_load(path.read_text()))


def test_the_reference_has_every_option_with_its_default() -> None:
    text = reference()
    for path, found in properties(config_schema()):
        if "const" in found:
            continue
        name = path.rpartition("/")[2]
        rows = re.findall(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        assert any(row.endswith(f"| {found['description']} |") for row in rows) or name == "kind"
        if "default" in found and found["default"] not in ({}, []):
            shown = f"`{json.dumps(found['default'], ensure_ascii=False)}`"
            assert any(shown in row for row in rows), path


def test_the_links_of_the_reference_lead_somewhere() -> None:
    text = reference()
    anchors = re.findall(r'<a id="([^"]+)"></a>', text)
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(anchors)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {5}


def test_the_reference_is_printed() -> None:
    command = [sys.executable, "-m", "sitenet.options.reference"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed == reference() + "\n"


def test_options_load_nothing_slow() -> None:
    slow = ["torch", "numpy", "pandas", "sklearn", "pymatgen", "pyarrow", "matplotlib", "yaml"]
    program = f"import sys, sitenet.options.config; print(set({slow}) & set(sys.modules))"
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == "set()\n"
