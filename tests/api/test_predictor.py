"""Models that are found, ensembles, intervals, and crystals unlike the training set."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from attention_models import saved_model
from salt_cif import salt

import sitenet
from sitenet import Predictor
from sitenet.api import located
from sitenet.api.ensemble import Ensemble
from sitenet.evaluate.ensemble import write_ensemble
from sitenet.evaluate.training_set import NAME
from sitenet.files import read_json, write_json
from sitenet.model.description import UnusableModel
from sitenet.sources.cif_writer import write_cif
from sitenet.tables import DamagedTable

CRYSTALS = {"salt": salt(), "other": salt("K", "Br", 6.6), "gold": salt("Au", "Cl"),
            "barium": write_cif("Ba", 2 * np.eye(3), ["Ba"], [[0, 0, 0]])}  # fmt: skip


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    """A copy of the two runs."""
    return Path(shutil.copytree(runs, tmp_path / "runs"))


def test_a_model_is_found_by_name_and_by_any_of_its_paths(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(located, "TRAINED", tmp_path)
    shutil.copytree(runs / "seed1", tmp_path / "gap")
    (tmp_path / "empty").mkdir()
    assert located.trained_models() == ["gap"]
    assert located.located("gap") == [tmp_path / "gap/model.safetensors"]
    one = runs / "seed0/model.safetensors"
    assert located.located(one) == located.located(one.parent) == [one]
    assert located.located(runs) == [one, runs / "seed1/model.safetensors"]
    assert located.located(runs / "ensemble") == [runs / "ensemble"]  # there is none yet
    (runs / "ensemble").mkdir()
    assert located.located(str(runs / "ensemble")) == located.located(runs)
    (runs / "ensemble").rmdir()
    with pytest.raises(UnusableModel, match=r"pag is neither a model of the package \(gap\) nor"):
        located.located("pag")
    with pytest.raises(UnusableModel, match=r"a folder without model\.safetensors"):
        located.located(tmp_path / "empty")


def test_seeds_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for seed in (10, 9, 1):
        (tmp_path / f"seed{seed}").mkdir()
        (tmp_path / f"seed{seed}/model.safetensors").touch()
    assert [p.parent.name for p in located.located(tmp_path)] == ["seed1", "seed9", "seed10"]


def test_an_ensemble_predicts_what_that_of_the_pipeline_predicts(
    runs: Path, tmp_path: Path
) -> None:
    files = [[runs / f"seed{k}" / name for k in (0, 1)]
             for name in ("predictions.parquet", "metrics.json")]  # fmt: skip
    write_ensemble(*files, tmp_path / "predictions.parquet", tmp_path / "metrics.json")
    theirs = pd.read_parquet(tmp_path / "predictions.parquet").set_index("id")
    formulas = {"11-17": ("Na", "Cl"), "19-9": ("K", "F"), "56-16": ("Ba", "S")}
    crystals = {name: salt(*pair, 3.5 + 0.02 * sum(map(int, name.split("-"))))
                for name, pair in formulas.items()}  # fmt: skip
    ours = Predictor.load(runs).predict(crystals).set_index("id")
    theirs = theirs.loc[ours.index]
    np.testing.assert_allclose(ours.prediction, theirs.prediction, rtol=1e-4)
    np.testing.assert_allclose(ours.spread, theirs.spread, rtol=1e-2)
    assert (ours.spread > 0).all()
    single = Predictor.load(runs / "seed0").predict(crystals)
    assert single.spread.isna().all()
    assert not np.allclose(single.prediction, ours.prediction, rtol=1e-4)


def residuals(folder: Path) -> np.ndarray:
    table = pd.read_parquet(folder / "predictions.parquet")
    table = table[table.split == "val"]
    return np.sort(np.abs(table.target - table.prediction))


def test_intervals_have_the_width_of_the_validation_residuals(runs: Path) -> None:
    """Eight of them: the seventh of nine parts is the quantile at 0.75."""
    sizes = residuals(runs / "seed0")
    assert len(sizes) == 8
    rows = Predictor.load(runs / "seed0").predict(CRYSTALS, level=0.75)
    assert set(rows.interval) == {"conformal 75%"}
    np.testing.assert_allclose(rows.upper - rows.prediction, sizes[6], rtol=1e-4)
    lower = np.maximum(rows.prediction - sizes[6], 0)  # the label cannot be negative
    np.testing.assert_allclose(rows.lower, lower, rtol=1e-4, atol=1e-6)
    assert set(Predictor.load(runs / "seed0").predict(CRYSTALS, level=0.95).interval) == {""}
    with pytest.raises(ValueError, match="level must be between 0 and 1, not 90"):
        Predictor.load(runs).predict(CRYSTALS, level=90)


def test_intervals_of_an_ensemble_are_wider_where_its_members_disagree(runs: Path) -> None:
    predictor = Predictor.load(runs)
    rows = predictor.predict(CRYSTALS, level=0.75)
    assert set(rows.interval) == {"conformal 75%, by spread"}
    width = rows.upper - rows.prediction
    order = np.argsort(rows.spread)
    assert (np.diff(width[order]) >= 0).all()
    assert width.max() > width.min() * 1.01
    few = predictor.predict(CRYSTALS, level=0.95)  # more than eight residuals can tell
    assert set(few.interval) == {"spread"}
    np.testing.assert_allclose(few.upper - few.prediction, few.spread, rtol=1e-3)


def test_intervals_cover_as_often_as_they_say() -> None:
    """Of exchangeable residuals; those of three members, one of which is worse."""
    random = np.random.default_rng(0)
    hits = []
    for _ in range(300):
        scale = random.exponential(size=41)
        members = random.normal(size=(3, 41)) * scale * np.array([[1], [1], [2]])
        ensemble = Ensemble(())
        known = [type("Known", (), {"residuals": dict(enumerate(own[:40]))}) for own in members]
        object.__setattr__(ensemble, "members",
                           [type("Member", (), {"known": one}) for one in known])  # fmt: skip
        mean = ensemble.weights @ members[:, 40]
        spread = np.sqrt(ensemble.weights @ (members[:, 40] - mean) ** 2)
        half, _ = ensemble.interval(0.8).half_width(spread)
        hits.append(abs(mean) <= half)
    assert np.mean(hits) == pytest.approx(0.8, abs=0.06)


def test_crystals_unlike_the_training_set_are_told(runs: Path) -> None:
    rows = Predictor.load(runs).predict(CRYSTALS).set_index("id")
    assert rows.unlike["salt"] == rows.unlike["other"] == ""
    assert rows.unlike["gold"].startswith("no training crystal has Au")
    assert "times as far" in rows.unlike["barium"]
    assert "no training crystal" not in rows.unlike["barium"]


def test_what_a_run_did_not_keep_is_not_told(copied: Path) -> None:
    (copied / "seed0" / NAME).unlink()
    rows = Predictor.load(copied / "seed0").predict(CRYSTALS).set_index("id")
    assert rows.unlike["gold"] == "no training crystal has Au"
    assert rows.unlike["barium"] == ""
    (copied / "seed0/predictions.parquet").unlink()
    predictor = Predictor.load(copied / "seed0")
    rows = predictor.predict(CRYSTALS)
    assert (rows.unlike == "").all()
    assert rows.lower.isna().all()
    assert (rows.interval == "").all()
    assert predictor.info()["elements"] is None


def test_models_that_are_no_ensemble_are_refused(copied: Path) -> None:
    path = copied / "seed1/model.json"
    about = read_json(path)
    write_json(path, about | {"label": {"column": "label", "unit": "meV"}})
    with pytest.raises(UnusableModel, match="are no ensemble: they have different label"):
        Predictor.load(copied)


def test_a_damaged_training_set_is_told(copied: Path) -> None:
    (copied / "seed0" / NAME).write_bytes(b"nothing")
    with pytest.raises(DamagedTable, match=NAME):
        Predictor.load(copied / "seed0")
    shutil.copy(copied / "seed1" / NAME, copied / "seed0" / NAME)
    (copied / "seed0/predictions.parquet").write_bytes(b"nothing")
    with pytest.raises(DamagedTable, match=r"predictions\.parquet"):
        Predictor.load(copied)


def test_a_model_without_a_label_gives_vectors_only(tmp_path: Path) -> None:
    weights = saved_model(tmp_path)
    about = read_json(tmp_path / "model.json")
    del about["label"]
    write_json(tmp_path / "model.json", about)
    predictor = Predictor.load(weights)
    with pytest.raises(UnusableModel, match="names no label: the model predicts none"):
        predictor.stream(CRYSTALS)  # before a crystal is asked for
    vectors = predictor.embed(CRYSTALS)
    assert vectors.columns.tolist() == ["id", "problem", "note", *(f"z{k}" for k in range(1, 6))]
    assert predictor.info()["predicts"] == "vectors only (no label)"


def test_vectors_of_an_ensemble_are_refused(runs: Path) -> None:
    with pytest.raises(ValueError, match="is an ensemble, whose members have different vectors"):
        Predictor.load(runs).embed(CRYSTALS)


def test_devices(runs: Path) -> None:
    assert Predictor.load(runs, "cpu").device.type == "cpu"
    with pytest.raises(ValueError, match="device must be auto, cpu, gpu or cuda:NUMBER, not tpu"):
        Predictor.load(runs, "tpu")


def test_info_tells_what_a_model_is(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "card.md").write_text("Attraction in salts.\n")
    assert sitenet.cli.main(["info", str(copied), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    errors = [read_json(copied / f"seed{k}/metrics.json")["splits"]["test"]["mae"] for k in (0, 1)]
    assert about["label"], about["unit"] == ("label", "eV")
    assert about["seeds"] == [0, 1]
    assert about["test_mae"] == errors
    assert about["validation_crystals"] == 8
    assert {"Na", "Cl"} <= set(about["elements"])
    assert "Au" not in about["elements"]
    assert about["card"] == "Attraction in salts.\n"
    assert sitenet.cli.main(["info", str(copied / "seed0")]) == 0
    text = capsys.readouterr().out
    assert "eV" in text
    assert f"{errors[0]:.4g}" in text
    assert text.endswith("Attraction in salts.\n")


def test_the_package_names_its_parts_and_nothing_else() -> None:
    assert sitenet.Predictor is Predictor
    with pytest.raises(AttributeError, match="has no attribute 'Oracle'"):
        sitenet.Oracle  # noqa: B018
