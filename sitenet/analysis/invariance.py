"""How much a prediction changes when the same crystal is described otherwise.

The claim of Fig 9 of 10.1039/d3dd00005b, for our supercells and for the rule of its published code.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import torch

from sitenet.analysis.crystal_sample import choose_ids, crystal_chunks
from sitenet.crystal.featurise import (
    MergedCrystal,
    featurise,
)
from sitenet.files import read_json
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.parallel import ordered_map
from sitenet.progress import Progress, log
from sitenet.shards.store import CrystalStore
from sitenet.structure.cif import Crystal
from sitenet.structure.rejection import RejectedCrystal
from sitenet.tables import write_table

RULES = ("optimal", "greedy")
TOLERANCE = 1e-4
"""Largest change, in the unit of the label, that counts as none."""


def another_basis(crystal: Crystal, random: np.random.Generator) -> Crystal:
    """The same lattice in other vectors: a random unimodular matrix, |components| <= 2."""
    while True:
        change = random.integers(-2, 3, (3, 3))
        if round(float(np.linalg.det(change))) == 1:
            break
    frac = crystal.frac @ np.linalg.inv(change)
    return replace(crystal, lattice=change @ crystal.lattice, frac=frac % 1.0)


def another_origin(crystal: Crystal, random: np.random.Generator) -> Crystal:
    """All sites moved by one random vector."""
    return replace(crystal, frac=(crystal.frac + random.random(3)) % 1.0)


def another_orientation(crystal: Crystal, random: np.random.Generator) -> Crystal:
    """Turned at random."""
    turn, triangle = np.linalg.qr(random.normal(size=(3, 3)))
    turn = turn * np.sign(triangle.diagonal())
    return replace(crystal, lattice=crystal.lattice @ (turn * np.sign(np.linalg.det(turn))))


def another_order(crystal: Crystal, random: np.random.Generator) -> Crystal:
    """Sites in random order."""
    order = random.permutation(len(crystal.numbers))
    return replace(
        crystal,
        numbers=crystal.numbers[order],
        frac=crystal.frac[order],
        oxidation=crystal.oxidation[order],
    )


CHANGES: dict[str, Callable[[Crystal, np.random.Generator], Crystal]] = {
    "lattice vectors": another_basis,
    "origin": another_origin,
    "orientation": another_orientation,
    "order of sites": another_order,
}
"""What is changed in a description, by name."""


def write_invariance(
    weights: Path,
    structures: Path,
    ids: Sequence[str],
    crystals: int,
    out: Path,
    seed: int = 0,
    workers: int = 1,
) -> None:
    """Predict some crystals and other descriptions of them, in float32, into Parquet `out`.

    Args:
        weights: a trained model, with its JSON beside it.
        structures: table that has the crystals.
        ids: crystals to choose from; crystals: how many are chosen, by seed.

    Columns: id, supercell (rule), change (of the description), prediction, delta (of the changed
    description less that; unit of the label). A crystal that either rule rejects is left out.
    """
    settings = FeatureSettings(**read_json(weights.with_suffix(".json"))["features"])
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


def summarise_invariance(changes: pd.DataFrame) -> pd.DataFrame:
    """Of each rule and change: crystals, largest and mean |delta|, share above 1e-4."""
    rows = changes.assign(size=changes.delta.abs()).groupby(["supercell", "change"], sort=False)
    return (
        rows["size"]
        .agg(
            crystals="size",
            largest="max",
            mean="mean",
            changed_share=lambda size: (size > TOLERANCE).mean(),
        )
        .reset_index()
    )


Versions = dict[str, list[MergedCrystal]]


def _describe_all(
    crystals: list[tuple[str, Crystal]], settings: FeatureSettings, seed: int
) -> list[tuple[str, Versions]]:
    return [
        (name, _describe(crystal, settings, np.random.default_rng([seed, crc32(name.encode())])))
        for name, crystal in crystals
    ]


def _describe(crystal: Crystal, settings: FeatureSettings, random: np.random.Generator) -> Versions:
    """By rule: the crystal and its other descriptions, featurised; empty if that fails."""
    given = [crystal, *(change(crystal, random) for change in CHANGES.values())]
    try:
        return {
            rule: [featurise(version, replace(settings, supercell=rule)) for version in given]
            for rule in RULES
        }
    except (RejectedCrystal, ValueError, ArithmeticError, np.linalg.LinAlgError):
        return {}


def _changes(name: str, versions: Versions, model: SiteNet) -> pd.DataFrame:
    """Predictions of one crystal's descriptions, as rows of the table."""
    crystals = [crystal for rule in RULES for crystal in versions[rule]]
    store = CrystalStore.from_crystals([str(k) for k in range(len(crystals))], crystals)
    with torch.inference_mode():
        predictions = model(store.batch(torch.arange(len(crystals)))).double().numpy()
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
