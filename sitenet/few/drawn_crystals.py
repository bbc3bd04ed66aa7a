"""The crystals that encoders are compared on: which ones, and what their composition says."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sitenet.crystal.featurise import featurise
from sitenet.few.descriptors import COMPOSITION, describe, names
from sitenet.few.encoders import N_ATOMS
from sitenet.few.experiment import write_refused
from sitenet.few.labels import told_apart
from sitenet.guard import guarded_map
from sitenet.options.features import FeatureSettings
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.options.representation import RepresentationSettings
from sitenet.progress import Progress
from sitenet.shards.vectors import write_vectors
from sitenet.sources.structure_table import iter_crystals
from sitenet.splits.parts import Parts
from sitenet.structure.cif import Crystal
from sitenet.structure.rejection import RejectedCrystal

Float = NDArray[np.float64]

CHUNK = 8  # crystals sent to a process at once


def drawn_ids(parts: Parts, settings: RepresentationSettings) -> tuple[list[str], list[str]]:
    """Ids of the crystals whose labels may be used, and of those to test on."""
    return (
        parts.drawn("train", settings.pool, settings.seed),
        parts.drawn("test", settings.test, settings.seed),
    )


def write_descriptors(
    structures: Path,
    splits: Iterable[Parts],
    settings: RepresentationSettings,
    out: Path,
    rejected: Path,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> None:
    """Describe the crystals that are drawn from any of the splits by their composition.

    Writes Parquet `out` (id, z) and CSV `rejected` (id, reason, ...) of those without descriptors.
    """
    wanted = {name for parts in splits for ids in drawn_ids(parts, settings) for name in ids}
    crystals = ((name, one) for name, one in iter_crystals(structures) if name in wanted)
    work = partial(composition, features=FeatureSettings(n_atoms=N_ATOMS))
    found = guarded_map(work, crystals, workers, limits.seconds, limits.memory_gib, RejectedCrystal,
                        CHUNK)  # fmt: skip
    progress = Progress(len(wanted), f"descriptors of {structures.parent.name}", "crystals")
    ids, rows, refused = told_apart(progress.counting(found))
    progress.finish()
    write_refused(rejected, refused)
    write_vectors(out, ids, [np.reshape(rows, (len(ids), len(names()[COMPOSITION])))])


def composition(crystal: Crystal, features: FeatureSettings) -> Float:
    """The descriptors `COMPOSITION` (d,). Raises RejectedCrystal where there are none."""
    described = describe([featurise(crystal, features)])
    if described.problems[0]:
        raise RejectedCrystal(described.problems[0])
    return described.groups[COMPOSITION][0]
