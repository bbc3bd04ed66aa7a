"""Options of a training that are not in the papers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from computed import computed_of
from pymatgen.core import Composition
from rock_salts import MODEL, TRAINING, interrupt_after, interrupt_before, outputs
from safetensors.torch import load_file
from sklearn.linear_model import Ridge

from sitenet.model.saving import HEAD, load_model, save_model
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.shards.computed_targets import TARGETS
from sitenet.shards.normal_scores import normal_scores
from sitenet.shards.vectors import read_vectors
from sitenet.train.distributed import ALONE
from sitenet.train.label_units import PENALTIES
from sitenet.train.loop import train_epochs
from sitenet.train.strain import draw_stretches, stretched
from sitenet.train.supervised import RunInputs, SupervisedTraining, train
from sitenet.train.task import LabelTask, label_errors


def loaded(
    inputs: RunInputs, folder: Path, model: ModelSettings = MODEL, **options: object
) -> LabelTask:
    """The task of a training, at its start."""
    settings = TrainingSettings(**{**TRAINING.to_dict(), **options})
    paths = folder / "history.csv", folder / "checkpoints"
    return SupervisedTraining(settings, *paths, "cpu", "test", inputs, model).load_task()


@pytest.fixture
def beside(labelled: RunInputs, tmp_path: Path) -> RunInputs:
    """Half of the crystals have another label."""
    table = pd.read_parquet(labelled.structures)[["id"]].iloc[::2]
    table["other"] = np.random.default_rng(0).normal(3.0, 5.0, len(table))
    table.to_parquet(tmp_path / "other.parquet")
    return replace(labelled, auxiliary=(tmp_path / "other.parquet",))


def test_the_reference_is_a_ridge_regression_on_the_training_crystals(
    labelled: RunInputs, tmp_path: Path
):
    task = loaded(labelled, tmp_path, replace(MODEL, composition_reference=True))
    table = pd.read_parquet(labelled.structures).merge(pd.read_csv(labelled.split), on="id")
    table = table[(table.split == "train") & (table.id != "large")]
    amounts = [Composition(formula).fractional_composition for formula in table.formula]
    elements = sorted({element for one in amounts for element in one})
    fractions = np.array([[one[element] for element in elements] for one in amounts])
    found = task.model.element_reference.numpy()
    assert np.flatnonzero(found).tolist() == sorted(element.Z for element in elements)
    kept = found[[element.Z for element in elements]]
    possible = [Ridge(penalty).fit(fractions, table.label).coef_ for penalty in PENALTIES]
    assert min(np.abs(kept - coefficients).max() for coefficients in possible) < 1e-4
    left = table.label - fractions @ kept
    assert float(task.model.label_scale) == pytest.approx(left.std(ddof=0), rel=1e-4)
    assert float(task.model.label_shift) == pytest.approx(left.mean(), rel=1e-4)


def test_a_model_with_a_reference_predicts_as_it_was_trained(labelled: RunInputs, tmp_path: Path):
    model = replace(MODEL, composition_reference=True, residual=True, filtered_sum=4)
    train(labelled, outputs(tmp_path), model, replace(TRAINING, max_epochs=20, strain=0.01))
    history = pd.read_csv(tmp_path / "history.csv")
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    val = predictions[predictions.split == "val"]
    error = (val.target - val.prediction).abs().mean()
    assert error == pytest.approx(history.val_mae.min(), rel=1e-4)
    assert load_model(tmp_path / "model.safetensors").settings == model


def test_a_training_starts_from_an_encoder(labelled: RunInputs, tmp_path: Path) -> None:
    """All weights but those of the label are the encoder's; its reference is not taken over."""
    first = loaded(labelled, tmp_path, replace(MODEL, composition_reference=True)).model
    about = tmp_path / "model.safetensors", tmp_path / "model.json"
    with torch.no_grad():
        first.element_reference.fill_(7.0)
    save_model(first, first.settings, *about)
    started = replace(labelled, encoder=about[0])
    other = replace(MODEL, composition_reference=True, output="nonnegative")
    alone, own = (
        loaded(inputs, tmp_path, other, seed=5).model.state_dict() for inputs in (labelled, started)
    )
    kept = first.state_dict()
    equal = {name for name in own if torch.equal(own[name], kept[name])}
    of_label = {name for name in own if name.split(".")[0] in HEAD}
    assert equal | of_label == set(own)
    assert all(torch.equal(own[name], alone[name]) for name in of_label)
    assert not torch.equal(own["element_reference"], kept["element_reference"])
    with pytest.raises(ValueError, match="has another encoder: heads is"):
        loaded(started, tmp_path, replace(other, heads=MODEL.heads + 1))


def test_what_a_training_started_from_is_told(labelled: RunInputs, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    train(labelled, outputs(tmp_path / "first"), MODEL, replace(TRAINING, max_epochs=1))
    started = replace(labelled, encoder=tmp_path / "first/model.safetensors")
    train(started, outputs(tmp_path), MODEL, replace(TRAINING, max_epochs=1))
    about = json.loads((tmp_path / "model.json").read_text())["started_from"]
    assert about["label"]["column"] == labelled.column
    assert about["training"]["max_epochs"] == 1
    assert "model" not in about


def test_labels_beside_are_those_of_training_crystals_in_standard_deviations(
    beside: RunInputs, tmp_path: Path
):
    task = loaded(beside, tmp_path, auxiliary=("other",))
    data, found = task.data, task.data.beside
    assert found is not None
    assert task.model.settings.auxiliary == 1
    assert found.weights.tolist() == [1]
    own = pd.read_parquet(beside.auxiliary[0]).set_index("id").other
    trained = [name for name, part in zip(data.crystals.ids, data.crystals.parts, strict=True)
               if part == "train" and name in own.index]  # fmt: skip
    values = own[trained]
    expected = ((values - values.mean()) / values.std(ddof=0)).reindex(data.crystals.ids)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert len(trained) < (data.crystals.parts == "train").sum()


def test_the_loss_adds_the_errors_of_labels_beside_where_there_are_some(
    beside: RunInputs, tmp_path: Path
):
    task = loaded(beside, tmp_path, auxiliary=("other",))
    crystals, target, indices, _ = next(iter(task.train_batches))
    others = torch.from_numpy(task.data.beside.values)[indices]
    error, more = label_errors(task.model, crystals, target, others, torch.tensor([1.0]))
    assert error.item() == pytest.approx((task.model(crystals) - target).abs().sum().item())
    vectors = task.model.crystals(crystals)
    given = task.model.auxiliary_decoder(vectors)[:, 0]
    known = [k for k in range(len(target)) if not others[k, 0].isnan()]
    assert 0 < len(known) < len(target)
    expected = sum(abs(float((given[k] - others[k, 0]).detach())) for k in known)
    assert more.item() == pytest.approx(expected, rel=1e-5)
    more.backward()
    gradients = [p.grad for p in task.model.parameters() if p.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_computed_numbers_are_learned_beside_as_normal_scores_with_their_weight(
    beside: RunInputs, tmp_path: Path
):
    beside = replace(beside, computed_targets=computed_of(beside.shards))
    task = loaded(beside, tmp_path, auxiliary=("other",), computed_targets=3.0)
    data, found = task.data, task.data.beside
    assert found.values.shape == (len(data.crystals), 1 + len(TARGETS))
    assert task.model.settings.auxiliary == 1 + len(TARGETS)
    np.testing.assert_allclose(found.weights, [1, *[3 / len(TARGETS)] * len(TARGETS)], rtol=1e-6)
    trained = data.crystals.parts == "train"
    assert np.isnan(found.values[~trained]).all()
    numbers = read_vectors(beside.computed_targets, data.crystals.ids[trained].tolist())
    np.testing.assert_array_equal(found.values[trained, 1:], normal_scores(numbers))
    assert np.isfinite(numbers).any(axis=0).all()

    crystals, target, indices, weight = batch = next(iter(task.train_batches))
    task.start(torch.device("cpu"), ALONE)
    loss = task.train_step(batch, 0, 0).loss
    others = torch.from_numpy(found.values)[indices]
    differences = (task.model.auxiliary_decoder(task.model.crystals(crystals)) - others).abs()
    computed = differences[:, 1:].nan_to_num(0).sum(1) / len(TARGETS)
    error = (task.model(crystals) - target).abs() / task.model.label_scale
    expected = error + differences[:, 0].nan_to_num(0) + 3 * computed
    assert loss.item() == pytest.approx(float(expected.detach().mean() * weight), rel=1e-5)


def test_computed_numbers_that_are_asked_for_must_be_there(labelled: RunInputs, tmp_path: Path):
    with pytest.raises(ValueError, match="set it above 0 in the configuration"):
        loaded(labelled, tmp_path, computed_targets=1.0)


def test_a_killed_run_with_all_of_it_continues_as_if_undisturbed(
    beside: RunInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model = replace(MODEL, composition_reference=True, residual=True)
    training = replace(TRAINING, strain=0.02, auxiliary=("other",), computed_targets=0.5)
    beside = replace(beside, computed_targets=computed_of(beside.shards))
    train(beside, outputs(tmp_path / "whole"), model, training)
    with monkeypatch.context() as patch:
        interrupt_before(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            train(beside, outputs(tmp_path / "cut"), model, training)
    train(beside, outputs(tmp_path / "cut"), model, training)
    whole, cut = (load_file(tmp_path / k / "model.safetensors") for k in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_strain_stretches_each_crystal_by_one_factor_anew_in_every_epoch(
    labelled: RunInputs, tmp_path: Path
):
    task = loaded(labelled, tmp_path)
    batch, _, indices, _ = next(iter(task.train_batches))
    factors = draw_stretches(len(task.data.crystals), 0.02, seed=1, epoch=4)[indices]
    changed = stretched(batch, factors)
    ratio = changed.pair_distance / batch.pair_distance
    apart = batch.pair_distance > 0
    expected = factors[batch.crystal[batch.pair_row]]
    torch.testing.assert_close(ratio[apart], expected[apart])
    many = draw_stretches(20_000, 0.02, seed=1, epoch=4)
    assert float(many.std()) == pytest.approx(0.02, rel=0.03)
    assert float(many.mean()) == pytest.approx(1.0, abs=1e-3)
    assert not torch.equal(many, draw_stretches(20_000, 0.02, seed=1, epoch=5))
    assert torch.equal(many[:100], draw_stretches(100, 0.02, seed=1, epoch=4))


def test_a_refit_learns_validation_crystals_and_says_nothing_of_them(
    labelled: RunInputs, tmp_path: Path
):
    """It is the training of a split without validation crystals, for the epochs that were best."""
    once, twice, all_crystals = (tmp_path / name for name in ("once", "twice", "all"))
    settings = replace(TRAINING, max_epochs=8)
    train(labelled, outputs(once), MODEL, settings)
    train(labelled, outputs(twice), MODEL, replace(settings, refit=True))
    first, second = (pd.read_parquet(folder / "predictions.parquet") for folder in (once, twice))
    same = (first.prediction - second.prediction).abs() < 1e-9
    assert same[first.split == "val"].all()
    assert not same[first.split != "val"].any()
    pd.testing.assert_frame_equal(*(
        pd.read_csv(folder / "history.csv").drop(columns=["seconds", "structures_per_second"])
        for folder in (once, twice)
    ))  # fmt: skip
    assert not (twice / "checkpoints").exists()

    best = json.loads((once / "metrics.json").read_text())["best_epoch"]
    split = pd.read_csv(labelled.split)
    split.loc[split.split == "val", "split"] = "train"
    split.loc[split.id == "large", "split"] = "val"  # not watched, as it has too many sites
    split.to_csv(tmp_path / "split.csv", index=False)
    task = loaded(
        replace(labelled, split=tmp_path / "split.csv"), all_crystals, max_epochs=int(best)
    )
    task.validation_batches = None
    weights = train_epochs(task, task.settings, torch.device("cpu")).weights
    kept = load_file(twice / "model.safetensors")
    for one in (weights, kept):
        one["features.embedding.weight"][14] = 0  # Si is only predicted, which shortens its vector
    assert all(torch.equal(weights[name], kept[name]) for name in kept)


@pytest.mark.parametrize("starts", [3, 9])
def test_a_killed_refit_continues_as_if_undisturbed(
    labelled: RunInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: int
):
    settings = replace(TRAINING, refit=True, patience=20)
    train(labelled, outputs(tmp_path / "whole"), MODEL, settings)
    with monkeypatch.context() as patch:
        interrupt_after(patch, starts)
        with pytest.raises(RuntimeError, match="killed"):
            train(labelled, outputs(tmp_path / "cut"), MODEL, settings)
    train(labelled, outputs(tmp_path / "cut"), MODEL, settings)
    whole, cut = (load_file(tmp_path / k / "model.safetensors") for k in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    whole, cut = (pd.read_parquet(tmp_path / k / "predictions.parquet") for k in ("whole", "cut"))
    pd.testing.assert_frame_equal(whole, cut)
