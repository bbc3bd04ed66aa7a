"""Encoders are compared on crystals that they did not see, with the same labels for all."""

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from rock_salts import ANIONS, CATIONS
from small_pretraining import LOSS, MODEL, TRAINING, outputs
from structure_tables import write_structures

from sitenet.crystal.featurise import featurise
from sitenet.evaluate.training_set import SEEN, read_training_set
from sitenet.few import trees
from sitenet.few.drawn_crystals import write_descriptors
from sitenet.few.encoder_errors import (
    Drawn,
    read_drawn,
    write_descriptor_errors,
    write_encoder_errors,
)
from sitenet.few.encoder_vectors import write_encoder_vectors
from sitenet.model.description import UnusableModel
from sitenet.model.inference import embed
from sitenet.model.saving import load_model
from sitenet.options.features import FeatureSettings
from sitenet.options.representation import RepresentationSettings
from sitenet.plots.encoders import draw_encoders
from sitenet.shards.schema import open_writer, to_table
from sitenet.shards.store import CrystalStore
from sitenet.splits.held_out import HeldOut
from sitenet.splits.parts import read_parts
from sitenet.structure.cif import Crystal
from sitenet.structure.formula import reduced_formula
from sitenet.train.pretrain import PretrainInputs, initial_encoder, pretrain

SETTINGS = RepresentationSettings(
    label_counts=(10, 20), masks=2, pool=25, test=12, mlp_width=4, mlp_max_iter=50
)
FEATURES = FeatureSettings(n_atoms=16)
FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def salts() -> dict[str, Crystal]:
    """54 rock salts, and a crystal of fermium, which nothing describes."""
    found = {
        cation + anion: Crystal(
            FCC * (3.5 + 0.02 * (z + x)), np.array([z, x]), np.array([[0, 0, 0], [0.5] * 3]),
            np.zeros(2), "",
        )
        for cation, z in CATIONS.items() for anion, x in ANIONS.items()
    }  # fmt: skip
    return {
        **found,
        "Fm": Crystal(np.eye(3) * 3, np.array([100]), np.zeros((1, 3)), np.zeros(1), ""),
    }


class Files(NamedTuple):
    folder: Path
    structures: Path
    split: Path
    weights: Path
    descriptors: Path
    vectors: Path

    def drawn(self) -> Drawn:
        labels = self.folder / "labels.parquet"
        return read_drawn(self.structures, labels, self.split, "e", self.descriptors, SETTINGS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A pre-training, its vectors, and descriptors."""
    folder = tmp_path_factory.mktemp("encoders")
    crystals = salts()
    structures = write_structures(folder / "structures.parquet", crystals)
    parts = ["test" if k % 5 == 0 else "val" if k % 10 == 1 else "train" for k in range(54)]
    table = pd.DataFrame({"id": [*crystals], "split": [*parts, "test"]})
    table.to_csv(folder / "split.csv", index=False)
    label = [float(one.lattice.max()) for one in crystals.values()]
    pd.DataFrame({"id": [*crystals], "e": label}).to_parquet(folder / "labels.parquet")
    known = {name: one for name, one in crystals.items() if name != "Fm"}
    with open_writer(folder / "part.parquet") as writer:
        merged = [featurise(crystal, FEATURES) for crystal in known.values()]
        writer.write_table(to_table([*known], merged))
    split = folder / "split.csv"
    inputs = PretrainInputs((folder / "part.parquet",), split, HeldOut(structures), FEATURES)
    pretrain(inputs, outputs(folder), MODEL, LOSS, replace(TRAINING, max_epochs=2))
    found = Files(folder, structures, split, folder / "model.safetensors",
                  folder / "descriptors.parquet", folder / "vectors.parquet")  # fmt: skip
    write_descriptors(structures, [read_parts(split)], SETTINGS, found.descriptors,
                      folder / "rejected.csv")  # fmt: skip
    write_encoder_vectors(found.weights, structures, found.descriptors, found.vectors)
    return found


def test_a_pre_training_tells_which_crystals_it_saw(files: Files) -> None:
    found = read_training_set(files.folder, 8)
    assert found is not None
    split = pd.read_csv(files.split)
    assert found.ids == set(split.id[split.split != "test"])
    formula = {name: reduced_formula(one.numbers) for name, one in salts().items()}
    table = pd.read_parquet(files.folder / SEEN)
    assert table.formula.tolist() == [formula[name] for name in table.id]
    assert found.elements == {*CATIONS.values(), *ANIONS.values()}
    assert found.residuals == {}


def test_a_crystal_that_cannot_be_described_is_listed(files: Files) -> None:
    rejected = pd.read_csv(files.folder / "rejected.csv")
    assert rejected.id.tolist() == ["Fm"]
    assert "heavier than einsteinium" in rejected.reason[0]
    drawn = files.drawn()
    assert "Fm" not in drawn.ids
    assert (len(drawn.pool.ids), len(drawn.test.ids)) == (25, 11)


def test_the_vectors_are_those_of_both_encoders(files: Files) -> None:
    table = pd.read_parquet(files.vectors).set_index("id")
    names = table.index[:2].tolist()
    crystals = [featurise(salts()[name], FEATURES) for name in names]
    store = CrystalStore.from_crystals(names, crystals)
    for state, encoder in (("trained", load_model(files.weights)),
                           ("untrained", initial_encoder(MODEL, TRAINING.seed))):  # fmt: skip
        for name, local in (("Z", False), ("atoms", True)):
            found = np.stack(table.loc[names, f"{state} {name}"].tolist())
            np.testing.assert_allclose(found, embed(encoder, store, local), rtol=1e-4, atol=1e-5)
    assert not np.allclose(np.stack(table["trained Z"]), np.stack(table["untrained Z"]), atol=1e-4)


def test_every_model_has_errors_and_more_processes_change_no_digit(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "TREES", 5)
    for workers in (1, 2):
        write_encoder_errors(
            files.drawn(), files.weights, files.vectors, SETTINGS,
            tmp_path / f"{workers}.parquet", workers,
        )  # fmt: skip
    found, other = (pd.read_parquet(tmp_path / f"{k}.parquet") for k in (1, 2))
    pd.testing.assert_frame_equal(found, other)
    counts = found.groupby(["state", "representation"]).model.unique().map(sorted).to_dict()
    few = ["ridge", "trees"]
    both = {
        (state, name): few for state in ("trained", "untrained") for name in ("atoms", "pooled")
    }
    of_z = {(state, "Z"): ["linear", "mlp", *few] for state in ("trained", "untrained")}
    assert counts == {**both, **of_z, ("descriptors", "site features"): few}
    assert (found.groupby(["state", "representation", "model", "labels"]).size() == 2).all()
    write_descriptor_errors(files.drawn(), files.descriptors, SETTINGS, tmp_path / "d.parquet")
    named = (("", 0, "d"), ("k", 0, "1"), ("k", 1, "2"))
    errors = [("salts e", kind, number, tmp_path / f"{file}.parquet")
              for kind, number, file in named]  # fmt: skip
    draw_encoders({"salts e": "A"}, errors, tmp_path / "f.pdf", tmp_path / "f.parquet",
                  tmp_path / "t.csv", tmp_path / "tests.csv")  # fmt: skip
    described = pd.read_csv(tmp_path / "t.csv").query("kind.isna() and labels == 20")
    spread = np.abs(files.drawn().test.target - files.drawn().pool.target.mean()).mean()
    assert described["median"].max() < 0.6 * spread
    tests = pd.read_csv(tmp_path / "tests.csv")
    assert (tests.trainings == 2).all()


def test_an_encoder_that_saw_the_test_crystals_is_refused(files: Files, tmp_path: Path) -> None:
    drawn = files.drawn()
    table = pd.read_parquet(files.folder / SEEN)
    table.loc[0, "formula"] = drawn.formula[drawn.test.ids[0]]
    table.to_parquet(tmp_path / SEEN)
    message = "trained on 1 formulas of the test crystals"
    with pytest.raises(UnusableModel, match=message):
        write_encoder_errors(drawn, tmp_path / "model.safetensors", files.vectors, SETTINGS,
                             tmp_path / "out.parquet")  # fmt: skip
    (tmp_path / SEEN).unlink()
    with pytest.raises(UnusableModel, match=re.escape("no record beside it")):
        write_encoder_errors(drawn, tmp_path / "model.safetensors", files.vectors, SETTINGS,
                             tmp_path / "out.parquet")  # fmt: skip
    assert not (tmp_path / "out.parquet").exists()
