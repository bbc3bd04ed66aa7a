"""Table of all crystals that were rejected in any step of a run."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sitenet.progress import log
from sitenet.tables import write_table

COLUMNS = ["dataset", "step", "id", "reason", "where"]


def write_rejections(lists: Sequence[Path], out: Path) -> None:
    """Join lists of rejected crystals (CSV: id, reason and optionally where) in the CSV file `out`.

    Data set and step are taken from the path of each list, see `origin`.
    """
    parts = []
    for path in lists:
        dataset, step = origin(path)
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        parts.append(rows.assign(dataset=dataset, step=step))
    table = pd.concat(parts).reindex(columns=COLUMNS, fill_value="").fillna("")
    write_table(out, table)
    counts = [f"{dataset} {count:,}" for dataset, count in table.groupby("dataset").size().items()]
    log.info(f"rejected crystals: {', '.join(counts) or 'none'} (see {out})")


def origin(path: Path) -> tuple[str, str]:
    """Data set and step of a list: mine, N = 50 for .../mine/n50/shards/part-000.rejected.csv.

    Other paths: .../mine/rejected.csv (reading), .../mine/labels/gap.rejected.csv (labels),
    .../mine/complexity.rejected.csv (complexity), .../mine/descriptors/xrd/part-000.rejected.csv
    (xrd).
    """
    folder = path.parent
    if path.name == "rejected.csv":
        return folder.name, "reading"
    if folder.name == "shards":
        return folder.parts[-3], f"N = {folder.parts[-2].removeprefix('n')}"
    if folder.name == "labels":
        return folder.parent.name, "labels"
    if folder.parent.name == "descriptors":
        return folder.parts[-3], folder.name
    return folder.name, path.name.partition(".")[0]
