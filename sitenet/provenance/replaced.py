"""Whether a run replaces tables and figures of another configuration, from the records of jobs."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sitenet.files import read_json

NAMED = 6
"""Largest number of names in the warning."""


def replaced(config: Mapping[str, Any], logs: Path, made: Iterable[str]) -> str | None:
    """A warning if figures and tables are there that show something else than `config`; else None.

    That is so if the configuration of their last run trained something that `config` does not.

    Args:
        config: checked configuration of the run.
        logs: folder of all logs, with the configurations that were run.
        made: the figures and tables that the run makes.
    """
    last = _last_configuration(logs)
    gone = sorted(_shown(last) - _shown(config)) if last else []
    if not gone:
        return None
    files = [Path(path) for path in made]
    ours = {(path.parent, path.stem) for path in files}
    folders = {path.parent for path in files if path.parent.name in ("figures", "tables")}
    present = [path for folder in sorted(folders) for path in sorted(folder.glob("*.*"))]
    left = sorted({path.stem for path in present if (path.parent, path.stem) not in ours})
    kept = f" {_few(left)} stay as they are and belong to that run." if left else ""
    return (
        f"{' and '.join(str(folder) for folder in sorted(folders))} show another configuration: "
        f"{_few(gone)}. This run replaces them.{kept} To keep both, run each in a folder of its "
        "own, with --directory."
    )


def _last_configuration(logs: Path) -> dict[str, Any] | None:
    """The configuration of the last finished table of errors, if it was kept."""
    try:
        record = read_json(logs / "tables" / "metrics.json")
        if not record["finished"]:
            return None
        kept = logs / "configurations" / f"{record['config']}.yaml"
        return dict(yaml.safe_load(kept.read_text()))
    except (OSError, KeyError, TypeError, json.JSONDecodeError, yaml.YAMLError):
        return None


def _shown(config: Mapping[str, Any]) -> set[str]:
    """What tables and figures are about, in words."""
    runs = {
        f"{run['dataset']} N={run['n']} {task} {run['variant']} seed {seed}"
        for run in config["runs"]
        for task in run["tasks"]
        for seed in run["seeds"]
    }
    return runs | {f"experiment {one['name']}" for one in config["infomax"]["experiments"]}


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
