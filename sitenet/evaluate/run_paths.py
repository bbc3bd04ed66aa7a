"""Names of settings and runs in the paths of their files."""

from pathlib import Path
from typing import Any


def setting_of(path: Path) -> dict[str, Any]:
    """The setting of a run or an ensemble, from its path .../DATASET/nN/TASK/VARIANT/*/*."""
    dataset, n, task, variant = path.parts[-6:-2]
    return {"dataset": dataset, "n": int(n.removeprefix("n")), "task": task, "variant": variant}
