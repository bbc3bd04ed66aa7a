"""Pre-training: it reads no labels, resumes exactly after a kill, and its encoder can be used."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from rock_salts import interrupt_before
from safetensors.torch import load_file
from small_pretraining import LOSS, MODEL, TRAINING, outputs

from sitenet.model.inference import embed
from sitenet.model.infomax.deep_infomax import DeepInfoMax
from sitenet.model.saving import load_model
from sitenet.options.infomax import InfoMaxSettings
from sitenet.options.model import ModelSettings
from sitenet.options.split import SplitSettings
from sitenet.shards.open_store import BothTables, open_both
from sitenet.shards.store import CrystalStore
from sitenet.shards.vectors import read_vectors
from sitenet.splits.held_out import formulas
from sitenet.train.distributed import ALONE
from sitenet.train.embed import write_embeddings
from sitenet.train.history import History
from sitenet.train.infomax_task import InfoMaxTask, WholeBatches
from sitenet.train.loop import Total
from sitenet.train.pretrain import Pretraining, PretrainInputs, initial_encoder, pretrain

ROOT = Path(__file__).resolve().parents[2]


def both_tables(unlabelled: PretrainInputs) -> BothTables:
    """All crystals, in memory."""
    return open_both(unlabelled.shards, None, 2**30, unlabelled.features.merge_tolerance)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_pre_training_lowers_its_losses_and_writes_everything(unlabelled, tmp_path, precision):
    training = replace(TRAINING, max_epochs=25, patience=25, precision=precision)
    pretrain(unlabelled, outputs(tmp_path), MODEL, LOSS, training)
    history = pd.read_csv(tmp_path / "history.csv")
    first, last = history.iloc[0], history.iloc[-1]
    for name in ("local_score", "global_score", "total"):
        assert last[f"train_{name}"] < first[f"train_{name}"]
    total = history.val_local_score + history.val_global_score
    total += 0.1 * (history.val_local_kl + history.val_global_kl)
    np.testing.assert_allclose(history.val_total, total, rtol=1e-5)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["best_epoch"] == history.epoch[history.val_total.argmin()]
    split = pd.read_csv(unlabelled.split)
    assert metrics["crystals"]["train"] == (split.split == "train").sum() - 1  # one cell above N
    assert load_model(tmp_path / "model.safetensors").settings == MODEL
    assert not (tmp_path / "checkpoints").exists()


def test_a_pre_training_is_judged_by_crystals_that_it_does_not_learn(unlabelled, tmp_path):
    training = Pretraining(TRAINING, tmp_path / "history.csv", tmp_path, "cpu", "parts",
                           unlabelled, MODEL, LOSS)  # fmt: skip
    task = training.load_task()
    split = pd.read_csv(unlabelled.split)
    for batches, part in ((task.train_batches, "train"), (task.validation_batches, "val")):
        used = [batches.store.ids[k] for k in batches.indices]
        expected = split.id[(split.split == part) & (split.id != "large")]
        assert sorted(used) == sorted(expected)


def test_without_a_split_all_crystals_are_learned_from_or_watched(unlabelled, tmp_path):
    drawn = SplitSettings(kind="random", seed=3, validation=0.2)
    inputs = replace(unlabelled, split=drawn)
    training = Pretraining(TRAINING, tmp_path / "history.csv", tmp_path, "cpu", "parts",
                           inputs, MODEL, LOSS)  # fmt: skip
    task = training.load_task()
    names = formulas(unlabelled.held_out.structures)
    used = {}
    for batches, part in ((task.train_batches, "train"), (task.validation_batches, "val")):
        used[part] = {batches.store.ids[k] for k in batches.indices}
    assert used["train"] | used["val"] == set(names) - {"large"}
    assert not {names[k] for k in used["train"]} & {names[k] for k in used["val"]}
    assert 0.1 < len(used["val"]) / len(names) <= 0.2
    again = training.load_task().validation_batches.indices
    assert again.tolist() == task.validation_batches.indices.tolist()


def test_a_pre_training_keeps_the_weights_of_its_best_epoch_not_of_the_last(
    unlabelled, tmp_path, monkeypatch
):
    """The second of four, as one of two epochs leaves them."""
    monkeypatch.setattr(History, "measure", lambda self, row: abs(row["epoch"] - 2))
    for name, epochs in (("long", 4), ("short", 2)):
        training = replace(TRAINING, schedule="constant", max_epochs=epochs)
        pretrain(unlabelled, outputs(tmp_path / name), MODEL, LOSS, training)
    assert json.loads((tmp_path / "long" / "metrics.json").read_text())["best_epoch"] == 2
    long, short = (load_file(tmp_path / k / "model.safetensors") for k in ("long", "short"))
    assert all(torch.equal(long[name], short[name]) for name in long)


def test_the_head_of_the_encoder_stays_as_it_began(unlabelled, tmp_path):
    """No loss depends on it, and weight decay is for what is trained."""
    training = replace(TRAINING, max_epochs=2, weight_decay=0.5)
    pretrain(unlabelled, outputs(tmp_path), MODEL, LOSS, training)
    weights = load_file(tmp_path / "model.safetensors")
    first = initial_encoder(MODEL, TRAINING.seed).state_dict()
    same = {name for name in weights if torch.equal(weights[name], first[name])}
    assert {"decoder.weight", "decoder.bias"} <= same
    assert "blocks.0.values.linear.weight" not in same


def test_no_label_is_read(unlabelled, tmp_path, monkeypatch):
    """The table of structures is gone, and no other file is opened than shards and split."""
    monkeypatch.setattr(pq, "read_table", lambda *_, **__: pytest.fail("a table was read"))
    assert not hasattr(unlabelled, "structures")
    pretrain(unlabelled, outputs(tmp_path), MODEL, LOSS, replace(TRAINING, max_epochs=1))
    assert (tmp_path / "metrics.json").exists()


def test_validation_batches_mix_the_data_set_and_stay_the_same(unlabelled):
    """Neighbours in a data set are alike, and false samples come from the same batch."""
    store = both_tables(unlabelled)
    batches = WholeBatches(store, torch.arange(len(store)), 20, shuffle=0)
    epochs = [[crystals.tolist() for crystals, _ in batches.packs()] for _ in range(2)]
    assert epochs[0] == epochs[1]
    assert sorted(k for batch in epochs[0] for k in batch) == list(range(len(store)))
    runs = [np.ptp(batch) == len(batch) - 1 for batch in epochs[0] if len(batch) > 1]
    assert np.mean(runs) < 0.5  # in file order each batch would be a run of neighbours


@pytest.mark.parametrize("world", [2, 3, 50])
def test_processes_share_out_whole_validation_batches(unlabelled, world):
    store = both_tables(unlabelled)
    batches = WholeBatches(store, torch.arange(len(store)), 20, shuffle=0)
    alone = [crystals.tolist() for crystals, _ in batches.packs()]
    shared = []
    batches.world = world
    for batches.rank in range(world):
        of_rank = [(crystals.tolist(), weight) for crystals, weight in batches.packs()]
        assert len(of_rank) == len(batches)
        shared += [crystals for crystals, weight in of_rank if weight]
    assert sorted(shared) == sorted(alone)
    assert world == 50 or len(shared) > len(batches)


def test_losses_are_of_crystals_that_have_false_samples(unlabelled, tmp_path):
    """Crystals alone in their batch would add zeros; where all are alone, nothing is learned."""
    alone = replace(TRAINING, batch_sites=1, max_epochs=1)
    message = r"no batch of the train part has the two crystals .* now 1$"
    with pytest.raises(ValueError, match=message):
        pretrain(unlabelled, outputs(tmp_path / "alone"), MODEL, LOSS, alone)
    store = both_tables(unlabelled)
    pair, single = (WholeBatches(store, torch.tensor(k), 100, 0) for k in ([3, 9], [4]))
    torch.manual_seed(0)
    task = InfoMaxTask(DeepInfoMax(initial_encoder(MODEL, 0), LOSS), TRAINING, pair, single)
    total = Total(task, torch.device("cpu"))
    total.add(task.validation_step(next(iter(pair)), 0))
    both = total.means("val", ALONE)
    total.add(task.validation_step(next(iter(single)), 1))
    assert total.means("val", ALONE) == both
    assert both["val_local_score"] > 0.5


def test_the_published_codes_choices_can_be_pre_trained(unlabelled, tmp_path):
    overlay = yaml.safe_load((ROOT / "config/dim_original_code.yaml").read_text())["infomax"]
    model = ModelSettings.from_dict({**MODEL.to_dict(), **overlay["model"]})
    loss = InfoMaxSettings.from_dict({**LOSS.to_dict(), **overlay["loss"]})
    training = replace(TRAINING, **overlay["training"], max_epochs=2)
    pretrain(unlabelled, outputs(tmp_path), model, loss, training)
    encoder = load_model(tmp_path / "model.safetensors")
    assert (encoder.local_width, encoder.crystal_width) == (32, 64)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history.val_total[1] < history.val_total[0]


def test_crystals_held_out_are_not_seen(unlabelled, tmp_path, caplog):
    """Of another data set: those of its formulas, whatever their ids."""
    other = tmp_path / "other.parquet"
    split = pd.read_csv(unlabelled.split)
    formula = pd.read_parquet(unlabelled.held_out.structures).set_index("id").formula
    seen = split[split.split != "test"]
    out = seen[seen.id.map(formula).str.startswith("Li")]
    kept = seen.id[~seen.id.isin(out.id)].tolist()
    rows = {"id": [*kept[: len(out)], "elsewhere"], "formula": [*out.id.map(formula), "XeF2"]}
    pd.DataFrame({**rows, "label": "not read"}).to_parquet(other)
    held_out = replace(unlabelled.held_out, datasets=(other,))
    with caplog.at_level("INFO", logger="sitenet"):
        pretrain(replace(unlabelled, held_out=held_out), outputs(tmp_path), MODEL, LOSS,
                 replace(TRAINING, max_epochs=1))  # fmt: skip
    assert f"{len(out)} of {len(seen)} crystals held out" in caplog.text
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    left = (seen.split == "train").sum() - 1 - (out.split == "train").sum()  # 1 does not fit
    assert metrics["crystals"]["train"] == left


def test_a_killed_pre_training_continues_as_if_undisturbed(
    unlabelled, tmp_path, monkeypatch, caplog
):
    pretrain(unlabelled, outputs(tmp_path / "whole"), MODEL, LOSS, TRAINING)
    with monkeypatch.context() as patch:
        interrupt_before(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            pretrain(unlabelled, outputs(tmp_path / "cut"), MODEL, LOSS, TRAINING)
    with caplog.at_level("INFO", logger="sitenet"):
        pretrain(unlabelled, outputs(tmp_path / "cut"), MODEL, LOSS, TRAINING)
    assert "continuing after epoch 3" in caplog.text
    whole, cut = (load_file(tmp_path / k / "model.safetensors") for k in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    rows = [pd.read_csv(tmp_path / k / "history.csv").drop(columns=["seconds",
            "structures_per_second"]) for k in ("whole", "cut")]  # fmt: skip
    pd.testing.assert_frame_equal(*rows)


def test_embeddings_are_those_of_the_trained_and_of_the_first_weights(unlabelled, tmp_path):
    pretrain(unlabelled, outputs(tmp_path), MODEL, LOSS, replace(TRAINING, max_epochs=2))
    trained, untrained = tmp_path / "z.parquet", tmp_path / "z0.parquet"
    weights, description = tmp_path / "model.safetensors", tmp_path / "model.json"
    write_embeddings(weights, description, unlabelled.shards, trained, untrained)
    store = CrystalStore.from_shards(unlabelled.shards)
    assert len(store) == 55  # also the crystal whose cell is above N
    for path, encoder in (
        (trained, load_model(weights)),
        (untrained, initial_encoder(MODEL, TRAINING.seed)),
    ):
        vectors = read_vectors([path], store.ids)
        np.testing.assert_array_equal(vectors, embed(encoder, store))
        assert vectors.shape == (55, 8)
        assert vectors.std(0).min() > 1e-4
    assert not np.allclose(read_vectors([trained], store.ids), read_vectors([untrained], store.ids))


def test_the_store_with_sites_apart_gives_the_same_representations(unlabelled):
    merged = CrystalStore.from_shards(unlabelled.shards)
    apart = CrystalStore.from_shards(unlabelled.shards, None, unlabelled.features.merge_tolerance)
    assert apart.ids == merged.ids
    encoder = initial_encoder(MODEL, 0)
    np.testing.assert_allclose(embed(encoder, apart), embed(encoder, merged), atol=1e-5)
    local = embed(encoder, merged, local=True)
    with torch.inference_mode():
        batch = apart.batch(torch.arange(9))
        sites = encoder.eval().sites(batch)
    for crystal in range(9):
        expected = sites[batch.crystal == crystal].mean(0)
        np.testing.assert_allclose(local[crystal], expected, atol=1e-5)
    some = set(merged.ids[3:9])
    assert CrystalStore.from_shards(unlabelled.shards, some, 1e-5).ids == merged.ids[3:9]
