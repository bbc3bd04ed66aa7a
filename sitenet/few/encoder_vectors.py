"""What a trained encoder makes of crystals, beside what it made of them before its training."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from sitenet.analysis.encoder_tests import TRAINED, UNTRAINED
from sitenet.few.labels import told_apart
from sitenet.model.description import read_description
from sitenet.model.inference import infer
from sitenet.model.layers import segment_mean
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.limits import LIMITS, LimitSettings
from sitenet.progress import Progress, log
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.guarded import featurised
from sitenet.shards.store import CrystalStore
from sitenet.sources.structure_table import iter_crystals
from sitenet.tables import read_ids, write_table
from sitenet.train.pretrain import initial_encoder

Float = NDArray[np.float32]

Z, SITES = "Z", "site features"


def write_encoder_vectors(
    weights: Path,
    structures: Path,
    drawn: Path,
    out: Path,
    workers: int = 1,
    limits: LimitSettings = LIMITS,
) -> None:
    """Write Parquet `out`: id, and a column of vectors `STATE REPRESENTATION` for each of both.

    Crystals that this encoder cannot read are left out, and told.

    Args:
        weights: of a trained encoder, with its description beside.
        structures: table of structures.
        drawn: table with the ids of the crystals.
        out: file.
        workers: processes that featurise.
        limits: of a crystal.

    Raises:
        UnusableModel: there is no such encoder.
    """
    about = read_description(weights)
    wanted = set(read_ids(drawn))
    crystals = ((name, one) for name, one in iter_crystals(structures) if name in wanted)
    found = featurised(crystals, (about.features(),), workers, limits)
    progress = Progress(len(wanted), f"vectors of {structures.parent.name}", "crystals")
    ids, read, _ = told_apart(progress.counting(found))
    progress.finish()
    if len(read) < len(wanted):
        log.info(f"{weights}: {len(wanted) - len(read):,} of {len(wanted):,} crystals not read")
    store = CrystalStore.from_crystals(ids, [one for (one,) in read])
    seed = (about.content.get("training") or {}).get("seed", 0)
    columns: dict[str, list] = {"id": ids}
    for state, encoder in (
        (TRAINED, load_model(weights)),
        (UNTRAINED, initial_encoder(about.model, seed)),
    ):
        for name, vectors in representations(encoder, store):
            columns[f"{state} {name}"] = list(vectors)
    write_table(out, pd.DataFrame(columns))


def representations(encoder: SiteNet, store: CrystalStore) -> Iterator[tuple[str, Float]]:
    """Names and vectors (n, width) of all crystals of a store.

    Z; the mean of the atoms' vectors; the mean of what the layers before the pooling make of them
    (`pooled`); mean and deviation of the features of a site that the encoder starts from.
    """
    settings = encoder.settings
    widths = {
        Z: encoder.crystal_width,
        "atoms": encoder.local_width,
        "pooled": settings.pre_pool_layers[-1],
    }
    joined = np.concatenate([*infer(encoder, partial(_side_by_side, encoder), store)])
    parts = np.split(joined, np.cumsum([*widths.values()]), axis=1)
    yield from zip([*widths, SITES], parts, strict=True)


def _side_by_side(encoder: SiteNet, batch: RaggedBatch) -> torch.Tensor:
    """All representations of the crystals of a batch (B, sum of the widths)."""

    def mean(rows: torch.Tensor) -> torch.Tensor:
        return segment_mean(rows, batch.site_weight, batch.crystal, batch.sizes)

    atoms = encoder.sites(batch)
    crystals = encoder.crystal_vectors(atoms, batch.site_weight, batch.crystal, batch.sizes)
    pooled = mean(encoder.pre_pool(atoms, batch.site_weight))
    known = encoder.features(batch.numbers, batch.oxidation)
    spread = (mean(known.square()) - mean(known).square()).clamp(min=0).sqrt()
    return torch.cat([crystals, mean(atoms), pooled, mean(known), spread], 1)
