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

from sitenet.analysis.crystal_sample import choose_ids, crystal_chunks
from sitenet.analysis.equivalent_descriptions import CHANGES
from sitenet.analysis.supercell_rules import RULES
from sitenet.crystal.featurise import MergedCrystal, featurise
from sitenet.model.description import read_description
from sitenet.model.inference import predict
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.parallel import ordered_map
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

    Raises:
        ValueError: none of `ids` is in the table or can be featurised.
    """
    settings = read_description(weights).features()
    model = load_model(weights)
    chosen = choose_ids(structures, crystals, seed, ids)
    progress = Progress(len(chosen), "invariance", "crystals")
    tables = []
    work = partial(_describe_all, settings=settings, seed=seed)
    for described in ordered_map(work, crystal_chunks(structures, chosen), workers):
        tables += [_changes(name, versions, model) for name, versions in described if versions]
        progress.advance(len(described))
    progress.finish()
    if not tables:
        raise ValueError(f"{structures} has no crystal that can be featurised")
    if len(tables) < len(chosen):
        log.info(f"invariance: {len(chosen) - len(tables):,} crystals could not be featurised")
    write_table(out, pd.concat(tables, ignore_index=True))


Versions = dict[str, list[MergedCrystal]]


def _describe_all(
    crystals: list[tuple[str, Crystal]], settings: FeatureSettings, seed: int
) -> list[tuple[str, Versions]]:
    return [
        (name, _describe(crystal, settings, np.random.default_rng([seed, crc32(name.encode())])))
        for name, crystal in crystals
    ]


def _describe(crystal: Crystal, settings: FeatureSettings, random: np.random.Generator) -> Versions:
    """The featurised crystal and its equivalent descriptions, by rule; empty if that fails."""
    given = [crystal, *(change(crystal, random) for change in CHANGES.values())]
    try:
        return {
            rule: [featurise(version, replace(settings, supercell=rule)) for version in given]
            for rule in RULES
        }
    except (RejectedCrystal, ValueError, ArithmeticError, np.linalg.LinAlgError):
        return {}


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
