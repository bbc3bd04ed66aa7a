"""Training on few labels: what is shown, where it starts, and that a kill changes nothing."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from sitenet.crystal.featurise import (
    featurise,
)
from sitenet.model.inference import predict
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.options.transfer import TransferSettings
from sitenet.shards.schema import open_writer, to_table
from sitenet.sources.ewald import ewald_energy
from sitenet.structure.cif import Crystal
from sitenet.train import transfer
from sitenet.train.transfer import SeedResult, TransferInputs

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


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> TransferInputs:
    """120 salts of touching ions, labelled by their Ewald energy, and one with a large cell."""
    folder = tmp_path_factory.mktemp("data")
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


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a model for another label, with another head."""
    torch.manual_seed(77)
    path = tmp_path_factory.mktemp("encoder") / "model.safetensors"
    settings = replace(MODEL, output="nonnegative", head_layers=())
    save_model(SiteNet(settings), settings, path, path.with_suffix(".json"))
    return path


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """For each run the initial weights, and ids of the crystals in training and validation."""
    found: list[dict] = []
    train = transfer.train_few_labels

    def spy(model, data, fitting, watched, settings):
        ids = [[data.store.ids[k] for k in part] for part in (fitting, watched)]
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        found.append({"train": ids[0], "val": ids[1], "weights": weights})
        return train(model, data, fitting, watched, settings)

    monkeypatch.setattr(transfer, "train_few_labels", spy)
    return found


def without_time(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="seconds")


def run(inputs: TransferInputs, folder: Path, workers: int = 1,
        settings: TransferSettings = SETTINGS) -> pd.DataFrame:  # fmt: skip
    folder.mkdir(exist_ok=True)
    names, out = ("salts", "random"), folder / "out.parquet"
    transfer.train_arm(inputs, settings, names, folder / ".kept", out, workers)
    return pd.read_parquet(folder / "out.parquet")


def test_every_arm_sees_the_same_labels_and_exactly_so_many(
    inputs: TransferInputs, encoder: Path, fitted: list[dict], tmp_path: Path
) -> None:
    table = run(inputs, tmp_path / "random")
    run(replace(inputs, encoder=encoder), tmp_path / "encoder")
    random, pretrained = fitted[:3], fitted[3:]
    parts = pd.read_csv(inputs.split).set_index("id").split
    for one, other in zip(random, pretrained, strict=True):
        assert one["train"] == other["train"]
        assert one["val"] == other["val"]
        shown = one["train"] + one["val"]
        assert len(set(shown)) == 20
        assert len(one["val"]) == 5
        assert set(parts[shown]) == {"train"}
        assert "large" not in shown
    assert len({tuple(sorted(one["train"])) for one in random}) == 3
    assert table.labels.tolist() == [20] * 3
    assert table.train.tolist() == [15] * 3
    assert table.validation.tolist() == [5] * 3


def test_labels_that_are_not_shown_are_not_read(
    inputs: TransferInputs, fitted: list[dict], tmp_path: Path
) -> None:
    one = replace(SETTINGS, seeds=1)
    honest = run(inputs, tmp_path / "a", settings=one)
    table = pd.read_parquet(inputs.structures)
    parts = pd.read_csv(inputs.split).set_index("id").split
    shown = fitted[0]["train"] + fitted[0]["val"]
    hidden = ~table.id.isin(shown) & (parts[table.id] != "test").to_numpy()
    table.loc[hidden, "label"] = np.nan
    table.to_parquet(tmp_path / "hidden.parquet")
    blind = run(replace(inputs, structures=tmp_path / "hidden.parquet"), tmp_path / "b",
                settings=one)  # fmt: skip
    assert hidden.sum() > 50
    pd.testing.assert_frame_equal(without_time(blind), without_time(honest))


def test_the_encoder_is_the_given_one_and_the_head_is_fresh(
    inputs: TransferInputs, encoder: Path, fitted: list[dict], tmp_path: Path
) -> None:
    run(inputs, tmp_path / "random", settings=replace(SETTINGS, seeds=2))
    run(replace(inputs, encoder=encoder), tmp_path / "given", settings=replace(SETTINGS, seeds=2))
    random, other_seed, given, _ = (one["weights"] for one in fitted)
    stored = load_file(encoder)
    heads = ("head_layers.0.linear.weight", "decoder.weight", "decoder.bias")
    names = [n for n in given if n.split(".")[0] not in ("head_layers", "decoder", "label_shift",
                                                         "label_scale")]  # fmt: skip
    assert len(names) > 10
    for name in names:
        assert torch.equal(given[name], stored[name])
    for name in ("site_input.linear.weight", "blocks.0.values.linear.weight", *heads[:1]):
        assert not torch.equal(random[name], other_seed[name])
    assert not torch.equal(given["site_input.linear.weight"], random["site_input.linear.weight"])
    for name in heads:
        assert torch.equal(given[name], random[name])
    assert torch.equal(given["label_scale"], random["label_scale"])


def test_labels_are_scaled_by_those_trained_on(
    inputs: TransferInputs, fitted: list[dict], tmp_path: Path
) -> None:
    run(inputs, tmp_path, settings=replace(SETTINGS, seeds=1))
    labels = pd.read_parquet(inputs.structures).set_index("id").label[fitted[0]["train"]]
    assert float(fitted[0]["weights"]["label_shift"]) == pytest.approx(labels.mean(), rel=1e-6)
    assert float(fitted[0]["weights"]["label_scale"]) == pytest.approx(labels.std(ddof=0), rel=1e-6)


def test_another_architecture_is_refused(inputs: TransferInputs, encoder: Path) -> None:
    few = transfer.load_few_labels(inputs, 20, 1, 1.0)
    other = replace(SETTINGS, model=replace(MODEL, post_pool_layers=(8,), local_activation="relu"))
    message = r"another encoder: post_pool_layers is .*, local_activation is mish, not relu"
    with pytest.raises(ValueError, match=message):
        transfer.train_seed(few, encoder, other, 0)


def test_a_killed_job_continues_with_the_missing_seeds(
    inputs: TransferInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    whole = run(inputs, tmp_path / "whole")
    trained: list[int] = []
    train_seed = transfer.train_seed

    def killed(few, encoder, settings, seed: int) -> SeedResult:
        if seed == 2 and not trained.count(2):
            trained.append(seed)
            raise KeyboardInterrupt
        trained.append(seed)
        return train_seed(few, encoder, settings, seed)

    monkeypatch.setattr(transfer, "train_seed", killed)
    with pytest.raises(KeyboardInterrupt):
        run(inputs, tmp_path / "cut")
    assert not (tmp_path / "cut" / "out.parquet").exists()
    with caplog.at_level("INFO", logger="sitenet"):
        cut = run(inputs, tmp_path / "cut")
    assert trained == [0, 1, 2, 2]
    assert "2 of 3 seeds are finished already" in caplog.text
    pd.testing.assert_frame_equal(without_time(cut), without_time(whole))


def test_two_processes_find_the_same(inputs: TransferInputs, tmp_path: Path) -> None:
    one, two = run(inputs, tmp_path / "one"), run(inputs, tmp_path / "two", workers=2)
    pd.testing.assert_frame_equal(without_time(one), without_time(two))


def test_few_labels_teach_and_the_best_weights_are_tested(inputs: TransferInputs) -> None:
    """The Ewald energy of touching ions is learned to a quarter of its spread from 60 labels."""
    training = replace(TRAINING, max_epochs=60, patience=60)
    settings = replace(SETTINGS, labels=60, training=training)
    few = transfer.load_few_labels(inputs, 60, 1, 1.0)
    shown = few.shown(60, 0)
    model = transfer.new_model(few.data, shown[:45], None, MODEL, training)
    epochs, best, val_mae = transfer.train_few_labels(
        model, few.data, shown[:45], shown[45:], training
    )
    assert epochs == 60
    watched = np.sort(shown[45:])
    error = predict(model, few.data.store, 40, watched) - few.data.target[watched]
    assert np.abs(error).mean() == pytest.approx(val_mae, rel=1e-5)
    result = transfer.train_seed(few, None, settings, 0)
    assert (result.best_epoch, result.val_mae) == (best, val_mae)
    target = few.data.target[few.data.indices("test").numpy()]
    assert len(target) == 30
    spread = np.abs(target - target.mean()).mean()
    assert result.test_mae < spread / 4


def test_patience_ends_a_run(inputs: TransferInputs) -> None:
    few = transfer.load_few_labels(inputs, 20, 1, 1.0)
    still = replace(TRAINING, learning_rate=1e-30, weight_decay=0.0, max_epochs=50, patience=4)
    result = transfer.train_seed(few, None, replace(SETTINGS, training=still), 0)
    assert (result.best_epoch, result.epochs) == (1, 5)


def test_an_encoder_that_knows_the_label_beats_random_weights(
    inputs: TransferInputs, tmp_path: Path
) -> None:
    training = replace(TRAINING, max_epochs=60, patience=60)
    few = transfer.load_few_labels(inputs, 70, 3, 1.0)
    shown = few.shown(70, 0)
    teacher = transfer.new_model(few.data, shown[10:], None, MODEL, training)
    transfer.train_few_labels(teacher, few.data, shown[10:], shown[:10], training)
    weights = tmp_path / "model.safetensors"
    save_model(teacher, MODEL, weights, weights.with_suffix(".json"))
    short = replace(TRAINING, learning_rate=1e-3, max_epochs=20)
    settings = replace(SETTINGS, labels=10, training=short)
    errors = [
        [transfer.train_seed(few, start, settings, seed).test_mae for seed in range(3)]
        for start in (None, weights)
    ]
    assert all(given < 0.9 * random for random, given in zip(*errors, strict=True))


def test_too_few_crystals_and_no_label_to_train_on_are_told(
    inputs: TransferInputs, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"500 labels are requested, but there are only \d+ in"):
        transfer.load_few_labels(inputs, 500, 1, 1.0)
    with pytest.raises(ValueError, match="leave none to train on"):
        replace(SETTINGS, labels=1)
    shutil.copy(inputs.split, tmp_path / "split.csv")
    text = (tmp_path / "split.csv").read_text().replace(",test", ",train")
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(ValueError, match="no featurised crystal in its part test"):
        transfer.load_few_labels(replace(inputs, split=tmp_path / "split.csv"), 20, 1, 1.0)
