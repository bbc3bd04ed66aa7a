"""A transfer of a second: salts of known Ewald energy, a tiny model."""

from pathlib import Path

import numpy as np
import pandas as pd

from sitenet.crystal.featurise import featurise
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.options.transfer import TransferSettings
from sitenet.shards.schema import open_writer, to_table
from sitenet.sources.ewald import ewald_energy
from sitenet.structure.cif import Crystal
from sitenet.train import transfer
from sitenet.train.transfer import TransferInputs

MODEL = ModelSettings(
    embedding_size=0,
    site_features_per_head=16,
    interaction_features_per_head=8,
    heads=1,
    blocks=1,
    attention_layers=(8,),
    pre_pool_layers=(16,),
    post_pool_layers=(16,),
    head_layers=(16,),
    interaction_features="distance",
)


TRAINING = TrainingSettings(batch_sites=40, learning_rate=5e-3, max_epochs=3, schedule="constant")


SETTINGS = TransferSettings(labels=20, seeds=3, validation=0.25, model=MODEL, training=TRAINING)


CATIONS = {"Li": (3, 0.76), "Na": (11, 1.02), "K": (19, 1.38), "Rb": (37, 1.52), "Cs": (55, 1.67),
           "Cu": (29, 0.77), "Ag": (47, 1.15), "Tl": (81, 1.5)}  # fmt: skip


ANIONS = {"F": (9, 1.33), "Cl": (17, 1.81), "Br": (35, 1.96), "I": (53, 2.2), "H": (1, 1.4)}


FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


LATTICES = {"rock salt": (2.0 * FCC, 0.5), "zinc blende": (4 / np.sqrt(3) * FCC, 0.25),
            "caesium chloride": (2 / np.sqrt(3) * np.eye(3), 0.5)}  # fmt: skip


def write_salts(folder: Path) -> TransferInputs:
    """120 salts of touching ions, labelled by their Ewald energy, and one with a large cell."""
    features = FeatureSettings(n_atoms=16)
    rows, crystals = [], []
    for kind, (shape, other) in LATTICES.items():
        for cation, (z, r) in CATIONS.items():
            for anion, (x, s) in ANIONS.items():
                lattice = shape * (r + s)
                frac = np.array([[0, 0, 0], [other] * 3])
                energy = ewald_energy(lattice, frac, np.array([1.0, -1.0]))
                crystals.append(Crystal(lattice, np.array([z, x]), frac, np.zeros(2), ""))
                rows.append({"id": f"{cation}{anion}, {kind}", "label": energy})
    random = np.random.default_rng(0)
    crystals.append(Crystal(np.eye(3) * 9, np.full(20, 14), random.random((20, 3)), np.zeros(20),
                            ""))  # fmt: skip
    rows.append({"id": "large", "label": -1.0})
    table = pd.DataFrame(rows)
    table.to_parquet(folder / "structures.parquet")
    number = np.arange(len(table))
    table["split"] = np.select([number % 4 == 0, number % 10 == 1], ["test", "val"], "train")
    table.loc[table.id == "large", "split"] = "train"
    table[["id", "split"]].to_csv(folder / "split.csv", index=False)
    with open_writer(folder / "part.parquet") as writer:
        merged = [featurise(crystal, features) for crystal in crystals]
        writer.write_table(to_table(table.id.tolist(), merged))
    return TransferInputs(folder / "structures.parquet", (folder / "part.parquet",),
                          folder / "split.csv", "label", "eV/atom", 16, None)  # fmt: skip


def train_salts(inputs: TransferInputs, folder: Path, workers: int = 1,
        settings: TransferSettings = SETTINGS) -> pd.DataFrame:  # fmt: skip
    folder.mkdir(exist_ok=True)
    names, out = ("salts", "random"), folder / "out.parquet"
    transfer.train_arm(inputs, settings, names, folder / ".kept", out, workers)
    return pd.read_parquet(folder / "out.parquet")
