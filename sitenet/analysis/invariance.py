"""Change of a prediction when the same crystal is described differently.

Tests the claim of Fig 9 of doi:10.1039/d3dd00005b, for our supercells and for those of the
published code.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd

from sitenet.analysis.crystal_sample import choose_ids, chosen_crystals
from sitenet.analysis.equivalent_descriptions import CHANGES
from sitenet.analysis.supercell_rules import RULES
from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.guard import Failure, check_accounts, guarded_map
from sitenet.model.description import read_description
from sitenet.model.inference import predict
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.progress import Progress, log
from sitenet.shards.store import CrystalStore
from sitenet.structure.cif import Crystal
from sitenet.structure.rejection import RejectedCrystal
from sitenet.tables import write_table


def write_invariance(
    weights: Path,
    structures: Path,
    ids: Sequence[str],
    crystals: int,
    out: Path,
    seed: int = 0,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> None:
    """Predict a sample of crystals and equivalent descriptions of them; write Parquet `out`.

    Columns of `out`: id, supercell (rule), change (of the description), prediction (of the
    original description), delta (prediction of the changed description minus `prediction`), both
    in the label's unit. Predictions are in float32. Crystals that cannot be featurised with both
    rules are left out.

    Args:
        weights: a trained model, with its JSON next to it.
        structures: table of structures.
        ids: crystals to sample from.
        crystals: sample size.
        out: Parquet file to write.
        seed: of the sample and of the changes.
        workers: number of processes.
        limits: of a crystal with all its descriptions.

    Raises:
        ValueError: none of `ids` is in the table or can be featurised.
    """
    settings = read_description(weights).features()
    model = load_model(weights)
    chosen = choose_ids(structures, crystals, seed, ids)
    progress = Progress(len(chosen), "invariance", "crystals")
    tables = []
    failed = 0
    work = partial(_describe, settings=settings, seed=seed)
    named = ((name, (name, crystal)) for name, crystal in chosen_crystals(structures, chosen))
    outcomes = guarded_map(work, named, workers, limits.seconds, limits.memory_gib,
                           RejectedCrystal, CHUNK)  # fmt: skip
    for name, versions in progress.counting(outcomes):
        if isinstance(versions, Failure):
            failed += 1
        else:
            tables.append(_changes(name, versions, model))
    progress.finish()
    check_accounts("invariance", len(chosen), len(tables), failed)
    if not tables:
        raise ValueError(f"{structures} has no crystal that can be featurised")
    if failed:
        log.info(f"invariance: {failed:,} crystals could not be featurised")
    write_table(out, pd.concat(tables, ignore_index=True))


CHUNK = 8  # crystals sent to a process at a time

Versions = dict[str, list[MergedCrystal]]


def _describe(named: tuple[str, Crystal], settings: FeatureSettings, seed: int) -> Versions:
    """The featurised crystal and its equivalent descriptions, by rule."""
    name, crystal = named
    random = np.random.default_rng([seed, crc32(name.encode())])
    given = [crystal, *(change(crystal, random) for change in CHANGES.values())]
    return {
        rule: [featurise(version, replace(settings, supercell=rule)) for version in given]
        for rule in RULES
    }


def _changes(name: str, versions: Versions, model: SiteNet) -> pd.DataFrame:
    """Rows of the output for one crystal."""
    crystals = [crystal for rule in RULES for crystal in versions[rule]]
    store = CrystalStore.from_crystals([str(k) for k in range(len(crystals))], crystals)
    predictions = predict(model, store).astype(np.float64)
    table = predictions.reshape(len(RULES), -1)
    return pd.DataFrame(
        {
            "id": name,
            "supercell": np.repeat(RULES, len(CHANGES)),
            "change": list(CHANGES) * len(RULES),
            "prediction": np.repeat(table[:, 0], len(CHANGES)),
            "delta": (table[:, 1:] - table[:, :1]).ravel(),
        }
    )
