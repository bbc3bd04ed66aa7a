"""Table of all crystals that were rejected, or kept with a remark, in any step of a run."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sitenet.progress import log
from sitenet.sources.records import NO_CRYSTAL, NO_LABEL, NOTED, REJECTED
from sitenet.tables import write_table

COLUMNS = ["dataset", "step", "id", "kind", "reason", "where"]

KINDS = {
    REJECTED: "crystals rejected",
    NOTED: "crystals used with a remark",
    NO_LABEL: "crystals not used for some task, without its label",
    NO_CRYSTAL: "entries that are no crystals",
}
"""What the kinds of rows mean, for the log."""


def write_rejections(lists: Sequence[Path], out: Path) -> None:
    """Join lists of rejected crystals in the CSV file `out`, and log how many there are.

    The lists are CSV files with id, reason, and optionally where and kind
    (`sitenet.sources.records`), which is `rejected` if it is not given. Data set and step are taken
    from the path of each list, see `origin`.
    """
    parts = []
    for path in lists:
        dataset, step = origin(path)
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        parts.append(rows.assign(dataset=dataset, step=step))
    table = pd.concat(parts).reindex(columns=COLUMNS)
    table["kind"] = table["kind"].fillna(REJECTED)
    table = table.fillna("")
    write_table(out, table)
    for kind, meaning in KINDS.items():
        ids = table[table["kind"] == kind].groupby("dataset")["id"].nunique()
        counts = [f"{dataset} {count:,}" for dataset, count in ids.items()]
        log.info(f"{meaning}: {', '.join(counts) or 'none'} (see {out})")


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
