"""Training on few labels: what is shown, where it starts, and that a kill changes nothing."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from few_label_salts import MODEL, SETTINGS, TRAINING, train_salts
from safetensors.torch import load_file

from sitenet.model.inference import predict
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.train import transfer
from sitenet.train.transfer import SeedResult, TransferInputs


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


def test_every_arm_sees_the_same_labels_and_exactly_so_many(
    few_labels: TransferInputs, encoder: Path, fitted: list[dict], tmp_path: Path
) -> None:
    table = train_salts(few_labels, tmp_path / "random")
    train_salts(replace(few_labels, encoder=encoder), tmp_path / "encoder")
    random, pretrained = fitted[:3], fitted[3:]
    parts = pd.read_csv(few_labels.split).set_index("id").split
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
    few_labels: TransferInputs, fitted: list[dict], tmp_path: Path
) -> None:
    one = replace(SETTINGS, seeds=1)
    honest = train_salts(few_labels, tmp_path / "a", settings=one)
    table = pd.read_parquet(few_labels.structures)
    parts = pd.read_csv(few_labels.split).set_index("id").split
    shown = fitted[0]["train"] + fitted[0]["val"]
    hidden = ~table.id.isin(shown) & (parts[table.id] != "test").to_numpy()
    table.loc[hidden, "label"] = np.nan
    table.to_parquet(tmp_path / "hidden.parquet")
    blind = train_salts(
        replace(few_labels, structures=tmp_path / "hidden.parquet"), tmp_path / "b", settings=one
    )
    assert hidden.sum() > 50
    pd.testing.assert_frame_equal(without_time(blind), without_time(honest))


def test_the_encoder_is_the_given_one_and_the_head_is_fresh(
    few_labels: TransferInputs, encoder: Path, fitted: list[dict], tmp_path: Path
) -> None:
    train_salts(few_labels, tmp_path / "random", settings=replace(SETTINGS, seeds=2))
    train_salts(
        replace(few_labels, encoder=encoder),
        tmp_path / "given",
        settings=replace(SETTINGS, seeds=2),
    )
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
    few_labels: TransferInputs, fitted: list[dict], tmp_path: Path
) -> None:
    train_salts(few_labels, tmp_path, settings=replace(SETTINGS, seeds=1))
    labels = pd.read_parquet(few_labels.structures).set_index("id").label[fitted[0]["train"]]
    assert float(fitted[0]["weights"]["label_shift"]) == pytest.approx(labels.mean(), rel=1e-6)
    assert float(fitted[0]["weights"]["label_scale"]) == pytest.approx(labels.std(ddof=0), rel=1e-6)


def test_another_architecture_is_refused(few_labels: TransferInputs, encoder: Path) -> None:
    few = transfer.load_few_labels(few_labels, 20, 1, 1.0)
    other = replace(SETTINGS, model=replace(MODEL, post_pool_layers=(8,), local_activation="relu"))
    message = r"another encoder: post_pool_layers is .*, local_activation is mish, not relu"
    with pytest.raises(ValueError, match=message):
        transfer.train_seed(few, encoder, other, 0)


def test_a_killed_job_continues_with_the_missing_seeds(
    few_labels: TransferInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    whole = train_salts(few_labels, tmp_path / "whole")
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
        train_salts(few_labels, tmp_path / "cut")
    assert not (tmp_path / "cut" / "out.parquet").exists()
    with caplog.at_level("INFO", logger="sitenet"):
        cut = train_salts(few_labels, tmp_path / "cut")
    assert trained == [0, 1, 2, 2]
    assert "2 of 3 seeds are finished already" in caplog.text
    pd.testing.assert_frame_equal(without_time(cut), without_time(whole))


def test_two_processes_find_the_same(few_labels: TransferInputs, tmp_path: Path) -> None:
    one, two = (
        train_salts(few_labels, tmp_path / "one"),
        train_salts(few_labels, tmp_path / "two", workers=2),
    )
    pd.testing.assert_frame_equal(without_time(one), without_time(two))


def test_few_labels_teach_and_the_best_weights_are_tested(few_labels: TransferInputs) -> None:
    """The Ewald energy of touching ions is learned to a quarter of its spread from 60 labels."""
    training = replace(TRAINING, max_epochs=60, patience=60)
    settings = replace(SETTINGS, labels=60, training=training)
    few = transfer.load_few_labels(few_labels, 60, 1, 1.0)
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


def test_patience_ends_a_run(few_labels: TransferInputs) -> None:
    few = transfer.load_few_labels(few_labels, 20, 1, 1.0)
    still = replace(TRAINING, learning_rate=1e-30, weight_decay=0.0, max_epochs=50, patience=4)
    result = transfer.train_seed(few, None, replace(SETTINGS, training=still), 0)
    assert (result.best_epoch, result.epochs) == (1, 5)


def test_an_encoder_that_knows_the_label_beats_random_weights(
    few_labels: TransferInputs, tmp_path: Path
) -> None:
    training = replace(TRAINING, max_epochs=60, patience=60)
    few = transfer.load_few_labels(few_labels, 70, 3, 1.0)
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
    few_labels: TransferInputs, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"500 labels are requested, but there are only \d+ in"):
        transfer.load_few_labels(few_labels, 500, 1, 1.0)
    with pytest.raises(ValueError, match="leave none to train on"):
        replace(SETTINGS, labels=1)
    shutil.copy(few_labels.split, tmp_path / "split.csv")
    text = (tmp_path / "split.csv").read_text().replace(",test", ",train")
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(ValueError, match="no featurised crystal in its part test"):
        transfer.load_few_labels(replace(few_labels, split=tmp_path / "split.csv"), 20, 1, 1.0)
