"""structures.parquet -> one shard: featurise a share of the crystals on several processes."""

import csv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.files import atomic_path
from sitenet.options.features import FeatureSettings
from sitenet.parallel import chunked, ordered_map
from sitenet.progress import Progress, log
from sitenet.shards.schema import open_writer, to_table
from sitenet.sources.rejection_limit import failed_list, too_many_rejected
from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.cif import Crystal
from sitenet.structure.rejection import RejectedCrystal
from sitenet.tables import row_count

ROW_GROUP = 1000  # crystals; bounds the memory of writer and reader
CHUNK = 16  # crystals sent to a process at once


class Outcome(NamedTuple):
    """One crystal featurised, or the reason why it was not."""

    id: str
    crystal: MergedCrystal | None
    reason: str


def build_shard(
    structures: Path,
    part: int,
    parts: int,
    settings: FeatureSettings,
    shard: Path,
    rejected: Path,
    workers: int = 1,
    max_rejected_fraction: float = 1.0,
) -> None:
    """Featurise crystals of the `part`-th of `parts` equal shares (0-based) into `shard`.

    Crystals keep their order; those that cannot be featurised go to `rejected` (id, reason).

    Raises:
        TooManyRejected: they are two or more, and more than `max_rejected_fraction` of the share;
            their list is then called `failed_list(rejected)`.
    """
    rows = row_count(structures)
    first, last = part * rows // parts, (part + 1) * rows // parts
    label = f"featurising {structures.parent.name} N={settings.n_atoms} part {part + 1}/{parts}"
    progress = Progress(last - first, label, "crystals")
    work = partial(_featurise_all, settings=settings)
    chunks = chunked(iter_crystals(structures, first, last), CHUNK)
    uncharged = 0
    dropped: Counter[str] = Counter()
    failed_list(rejected).unlink(missing_ok=True)
    with (
        atomic_path(shard) as file,
        atomic_path(rejected) as reasons,
        open_writer(file) as writer,
        reasons.open("w", newline="") as listing,
    ):
        table = csv.writer(listing)
        table.writerow(["id", "reason"])
        outcomes = _counted(chain.from_iterable(ordered_map(work, chunks, workers)), progress)
        for group in chunked(outcomes, ROW_GROUP):
            table.writerows((o.id, o.reason) for o in group if o.crystal is None)
            kept = [(o.id, o.crystal) for o in group if o.crystal is not None]
            dropped.update(o.reason for o in group if o.crystal is None)
            uncharged += sum(not crystal.oxidation.any() for _, crystal in kept)
            if kept:
                writer.write_table(to_table(*map(list, zip(*kept, strict=True))))
        listing.flush()
        if dropped.total() > max(1, max_rejected_fraction * (last - first)):
            kept_list = reasons.rename(failed_list(rejected))
            share = f" (part {part + 1} of {parts})"
            raise too_many_rejected(structures.parent.name, share, dropped, last - first,
                                    max_rejected_fraction, kept_list)  # fmt: skip
    progress.finish()
    log.info(
        f"{label}: {dropped.total():,} rejected; {uncharged:,} without oxidation states "
        f"({settings.oxidation}), 0 used"
    )


def _featurise_all(rows: list[tuple[str, Crystal]], settings: FeatureSettings) -> list[Outcome]:
    return [_featurise_one(name, crystal, settings) for name, crystal in rows]


def _featurise_one(name: str, crystal: Crystal, settings: FeatureSettings) -> Outcome:
    try:
        return Outcome(name, featurise(crystal, settings), "")
    except RejectedCrystal as error:
        return Outcome(name, None, str(error))
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        return Outcome(name, None, f"could not be featurised: {type(error).__name__}: {error}")


def _counted(outcomes: Iterator[Outcome], progress: Progress) -> Iterator[Outcome]:
    for outcome in outcomes:
        progress.advance()
        yield outcome
