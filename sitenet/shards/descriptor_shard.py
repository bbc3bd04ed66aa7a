"""structures.parquet -> descriptors of some crystals, a share of them at a time."""

import csv
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.descriptors import SIZES, descriptor
from sitenet.files import atomic_path
from sitenet.guard import Failure, check_accounts, guarded_map
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.progress import Progress, log
from sitenet.shards.vectors import write_vectors
from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.rejection import RejectedCrystal
from sitenet.tables import read_ids

CHUNK = 8  # crystals sent to a process at once


Outcome = tuple[str, NDArray[np.float32] | Failure]


def build_descriptors(
    structures: Path,
    chosen: Iterable[str],
    kind: str,
    part: int,
    parts: int,
    out: Path,
    rejected: Path,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> None:
    """Describe the crystals of the `part`-th of `parts` equal shares (0-based) of the chosen.

    Args:
        structures: table of structures.
        chosen: ids; they are taken in the table's order.
        kind: ofm or xrd.
        out, rejected: Parquet (id, z) and CSV (id, reason) of those that cannot be described.
        workers: processes.
        limits: of a crystal.
    """
    wanted = set(chosen)
    known = read_ids(structures)
    ordered = [name for name in known if name in wanted]
    share = set(ordered[part * len(ordered) // parts : (part + 1) * len(ordered) // parts])
    progress = Progress(len(share), f"{kind} part {part + 1}/{parts}", "crystals")
    crystals = ((name, crystal) for name, crystal in iter_crystals(structures) if name in share)
    work = partial(descriptor, kind=kind)
    found = guarded_map(work, crystals, workers, limits.seconds, limits.memory_gib, RejectedCrystal,
                        CHUNK)  # fmt: skip
    outcomes = list(progress.counting(found))
    progress.finish()
    check_accounts(kind, len(share), len(outcomes), 0)
    _write(outcomes, kind, out, rejected)


def _write(outcomes: list[Outcome], kind: str, out: Path, rejected: Path) -> None:
    found = [(name, one) for name, one in outcomes if not isinstance(one, Failure)]
    failures = [(name, one.reason) for name, one in outcomes if isinstance(one, Failure)]
    if failures:
        log.info(f"{kind}: {len(failures):,} crystals without, listed in {rejected}")
    with atomic_path(rejected) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "reason"), *failures])
    values = np.reshape([vector for _, vector in found], (len(found), SIZES[kind]))
    write_vectors(out, [name for name, _ in found], [values])
