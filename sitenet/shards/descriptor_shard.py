"""structures.parquet -> descriptors of some crystals, a share of them at a time."""

import csv
from collections.abc import Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.descriptors import SIZES, matminer_descriptor
from sitenet.files import atomic_path
from sitenet.parallel import chunked, ordered_map
from sitenet.progress import Progress, log
from sitenet.shards.vectors import write_vectors
from sitenet.sources.structure_table import iter_crystals
from sitenet.structure.cif import Crystal
from sitenet.structure.rejection import RejectedCrystal
from sitenet.tables import read_ids

CHUNK = 8  # crystals sent to a process at once


class Outcome(NamedTuple):
    """One crystal described, or the reason why it was not."""

    id: str
    vector: NDArray[np.float32] | None
    reason: str


def build_descriptors(
    structures: Path,
    chosen: Iterable[str],
    kind: str,
    part: int,
    parts: int,
    out: Path,
    rejected: Path,
    workers: int = 1,
) -> None:
    """Describe the crystals of the `part`-th of `parts` equal shares (0-based) of the chosen.

    Args:
        structures: table of structures.
        chosen: ids; they are taken in the table's order.
        kind: ofm or xrd.
        out, rejected: Parquet (id, z) and CSV (id, reason) of those that cannot be described.
        workers: processes.
    """
    wanted = set(chosen)
    known = read_ids(structures)
    ordered = [name for name in known if name in wanted]
    share = set(ordered[part * len(ordered) // parts : (part + 1) * len(ordered) // parts])
    progress = Progress(len(share), f"{kind} part {part + 1}/{parts}", "crystals")
    crystals = ((name, crystal) for name, crystal in iter_crystals(structures) if name in share)
    work = partial(_describe_all, kind=kind)
    outcomes: list[Outcome] = []
    for outcome in chain.from_iterable(ordered_map(work, chunked(crystals, CHUNK), workers)):
        outcomes.append(outcome)
        progress.advance()
    progress.finish()
    _write(outcomes, kind, out, rejected)


def _write(outcomes: list[Outcome], kind: str, out: Path, rejected: Path) -> None:
    found = [(o.id, o.vector) for o in outcomes if o.vector is not None]
    failures = [(o.id, o.reason) for o in outcomes if o.vector is None]
    if failures:
        log.info(f"{kind}: {len(failures):,} crystals without, listed in {rejected}")
    with atomic_path(rejected) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "reason"), *failures])
    values = np.reshape([vector for _, vector in found], (len(found), SIZES[kind]))
    write_vectors(out, [name for name, _ in found], [values])


def _describe_all(rows: list[tuple[str, Crystal]], kind: str) -> list[Outcome]:
    return [_describe_one(name, crystal, kind) for name, crystal in rows]


def _describe_one(name: str, crystal: Crystal, kind: str) -> Outcome:
    try:
        return Outcome(name, matminer_descriptor(crystal, kind), "")
    except RejectedCrystal as error:
        return Outcome(name, None, str(error))
