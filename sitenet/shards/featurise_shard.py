"""structures.parquet -> one shard: featurise a share of the crystals on several processes."""

import csv
from collections import Counter
from pathlib import Path

from sitenet.files import atomic_path
from sitenet.guard import Failure, check_accounts
from sitenet.options.features import FeatureSettings
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.parallel import chunked
from sitenet.progress import Progress, log
from sitenet.shards.guarded import featurised
from sitenet.shards.schema import open_writer, to_table
from sitenet.sources.rejection_limit import failed_list, too_many_rejected
from sitenet.sources.structure_table import iter_crystals
from sitenet.tables import row_count

ROW_GROUP = 1000  # crystals; bounds the memory of writer and reader


def build_shard(
    structures: Path,
    part: int,
    parts: int,
    settings: FeatureSettings,
    shard: Path,
    rejected: Path,
    workers: int = 1,
    max_rejected_fraction: float = 1.0,
    limits: LimitSettings = LIMITS,
) -> None:
    """Featurise crystals of the `part`-th of `parts` equal shares (0-based) into `shard`.

    Crystals keep their order; those that cannot be featurised within the limits go to `rejected`
    (id, reason).

    Raises:
        TooManyRejected: they are two or more, and more than `max_rejected_fraction` of the share;
            their list is then called `failed_list(rejected)`.
    """
    rows = row_count(structures)
    first, last = part * rows // parts, (part + 1) * rows // parts
    label = f"featurising {structures.parent.name} N={settings.n_atoms} part {part + 1}/{parts}"
    progress = Progress(last - first, label, "crystals")
    crystals = iter_crystals(structures, first, last)
    written = uncharged = 0
    dropped: Counter[str] = Counter()
    failed_list(rejected).unlink(missing_ok=True)
    with (
        atomic_path(shard) as file,
        atomic_path(rejected) as reasons,
        open_writer(file, settings.site_geometry) as writer,
        reasons.open("w", newline="") as listing,
    ):
        table = csv.writer(listing)
        table.writerow(["id", "reason"])
        outcomes = featurised(crystals, (settings,), workers, limits)
        for group in chunked(progress.counting(outcomes), ROW_GROUP):
            failures = [(name, one.reason) for name, one in group if isinstance(one, Failure)]
            kept = [(name, one[0]) for name, one in group if not isinstance(one, Failure)]
            table.writerows(failures)
            dropped.update(reason for _, reason in failures)
            written += len(kept)
            uncharged += sum(not crystal.oxidation.any() for _, crystal in kept)
            if kept:
                writer.write_table(to_table(*map(list, zip(*kept, strict=True))))
        listing.flush()
        check_accounts(label, last - first, written, dropped.total())
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
