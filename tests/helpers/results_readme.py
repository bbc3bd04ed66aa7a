"""The paths that results/README.md tells of, as patterns."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WILDCARDS = {"DATASET": "[^/]+", "TASK": "[^/]+", "VARIANT": "[^/]+", "NAME": "[^/]+",
             "EXPERIMENT": "[^/]+", "nN": r"n\d+", "seedS": r"seed\d+", r"\*": "[^/]*"}  # fmt: skip


def patterns() -> list[re.Pattern[str]]:
    """One for each path of the table; a figure stands for its picture and its data too."""
    table = re.findall(r"^\| (`.*?) \|", (ROOT / "results/README.md").read_text(), re.MULTILINE)
    found = []
    for cell in table:
        folder = ""
        for path in re.findall(r"`([^`]+)`", cell):
            if "/" in path:
                folder = path.rpartition("/")[0] + "/"
            found.append(_pattern(path if "/" in path else folder + path))
    return found


def _pattern(path: str) -> re.Pattern[str]:
    text = re.escape(path)
    for name, pattern in WILDCARDS.items():
        text = text.replace(name, pattern)
    text = text.removesuffix(r"\.pdf") + r"\.(pdf|png|parquet)" if path.endswith(".pdf") else text
    return re.compile(text + (".+" if path.endswith("/") else ""))


def undescribed(results: Path) -> list[str]:
    """Files below `results` that the table does not name."""
    described = patterns()
    paths = [str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()]
    return [path for path in paths if not any(p.fullmatch(path) for p in described)]
