"""`sitenet fit`: from a table of labels and CIF files to predictions."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from few_label_salts import MODEL
from salt_cif import salt

from sitenet import Predictor
from sitenet.api.label_columns import column_of_ids, column_of_label
from sitenet.cli import main
from sitenet.few import curves, kept
from sitenet.few.arms import Arm, fit_arm, of_several_seeds, predict_arm
from sitenet.few.curves import Draw, write_curve
from sitenet.few.encoders import kinds_of, load_encoders, numbered
from sitenet.few.fit import fit_few_labels, prepare
from sitenet.few.kept import Kept
from sitenet.few.labels import Label, Labelled
from sitenet.few.nested import Task, nested, predict_tasks
from sitenet.few.networks import predict_network
from sitenet.few.saving import Member, read_fit, write_fit
from sitenet.model.description import UnusableModel
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.datasets import CifFolderSource, TableSource
from sitenet.options.features import FeatureSettings
from sitenet.options.few_labels import FitSettings
from sitenet.options.training import TrainingSettings
from sitenet.plots.few_labels import draw_few_labels
from sitenet.shards.guarded import in_kinds
from sitenet.sources.records import SourceError
from sitenet.splits.parts import Parts
from sitenet.structure.cif import read_cif

CATIONS = {"Li": 0.76, "Na": 1.02, "K": 1.38, "Rb": 1.52, "Cs": 1.67, "Ag": 1.15, "Tl": 1.5}
ANIONS = {"F": 1.33, "Cl": 1.81, "Br": 1.96, "I": 2.2}
EDGES = {(c, a): 2 * (r + s) for c, r in CATIONS.items() for a, s in ANIONS.items()}
"""Of rock salts of touching ions, in A."""


def arguments(*more: str) -> list[str]:
    return ["fit", "labels.csv", "--cifs", "cifs", "--unit", "A", "--arms", "ridge", "gp",
            "--workers", "1", "--encoder", "none", *more]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 rock salts, labelled with the edge of their cell, and labels that cannot be used."""
    path = tmp_path_factory.mktemp("few")
    (path / "cifs").mkdir()
    lines = ["file,edge"]
    for (cation, anion), edge in EDGES.items():
        (path / f"cifs/{cation}{anion}.cif").write_text(salt(cation, anion, edge))
        lines.append(f"{cation}{anion},{edge}")
    (path / "cifs/broken.cif").write_text("data_x\n")
    lines[1], lines[2], lines[3] = "LiF,many", "LiCl,", 'LiBr,"1,234"'
    shared = salt("Cs", "I", 7.7).replace("Cs0 0.000000000000 0.000000000000 0.000000000000 1",
                                          "Cs0 0 0 0 0.5\nK K9 0 0 0 0.5")  # fmt: skip
    (path / "cifs/shared.cif").write_text(shared)
    lines += ["absent,3", "broken,4", "NaF,99", f"KF,{EDGES['K', 'F']}", "LiI.cif,3 eV", "shared,2"]
    (path / "labels.csv").write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def fitted(folder: Path) -> Path:
    """What the command wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(arguments("--out", "out")) == 2  # some labels are refused
    return folder / "out"


def test_refused_labels_have_reasons(fitted: Path) -> None:
    found = pd.read_csv(fitted / "refused.csv").set_index("id").reason
    assert set(found.index) == {
        "LiF", "LiCl", "LiBr", "LiI", "absent", "broken", "shared", "NaF", "KF",
    }  # fmt: skip
    assert "'many' is not a number" in found["LiF"]
    assert "'1,234' is not a number" in found["LiBr"]
    assert "several rows, which differ" in " ".join(found[["LiI"]])
    assert "several atoms" in found["shared"]
    assert found["KF"] == "a second row of labels"
    assert "no value" in found["LiCl"]
    assert "no such CIF" in found["absent"]
    assert "differ" in " ".join(found[["NaF"]])


def test_the_report_names_winner_error_and_reason(fitted: Path) -> None:
    report = (fitted / "report.md").read_text()
    arms = pd.read_csv(fitted / "arms.csv").set_index("arm")
    predictions = pd.read_csv(fitted / "predictions.csv")
    error = (predictions.label - predictions.prediction).abs().mean()
    assert arms.loc["chosen"].mae == pytest.approx(error)
    assert f"**{error:.3g}" in report
    assert "Better than the mean of the labels" in report
    assert "Whether pre-training helps is not known" in report
    assert arms.loc["mean"].mae > 3 * error
    assert arms.loc["mean"].p_holm < 0.05
    assert predictions.groupby("formula").fold.nunique().max() == 1


def test_what_is_saved_predicts_new_crystals(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.cif").write_text(salt("Li", "F", EDGES["Li", "F"]))
    Path("b.cif").write_text(salt("Fe", "F", 4.4))
    Path("c.cif").write_text("data_x\nloop_\n")
    code = main(["predict", str(fitted), "a.cif", "b.cif", "c.cif", "--out", "t.csv"])
    table = pd.read_csv("t.csv")
    assert code == 2
    assert table.prediction[0] == pytest.approx(EDGES["Li", "F"], abs=0.4)
    assert table.lower[0] < table.prediction[0] < table.upper[0]
    assert table.interval[0].startswith("conformal 90%")
    assert table.unit[0] == "A"
    assert "Fe" in table.unlike[1]
    assert isinstance(table.problem[2], str)
    predictor = Predictor.load(fitted)
    again = predictor.predict(["a.cif", "b.cif"])
    assert again.prediction.tolist() == table.prediction[:2].tolist()
    with pytest.raises(ValueError, match="no vectors"):
        predictor.embed("a.cif")
    with pytest.raises(ValueError, match="no attention"):
        predictor.explain("a.cif", tmp_path)
    assert predictor.info()["labels"] == 23
    assert main(["info", str(fitted)]) == 0


def test_the_same_labels_give_the_same_fit(
    folder: Path, fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any number of processes."""
    monkeypatch.chdir(folder)
    main(arguments("--out", "again", "--workers", "2"))
    for name in ("fit.json", "fit.safetensors", "arms.csv", "predictions.csv"):
        assert (folder / "again" / name).read_bytes() == (fitted / name).read_bytes()


def test_damaged_fits_are_told(fitted: Path, tmp_path: Path) -> None:
    for name in ("fit.json", "fit.safetensors"):
        (tmp_path / name).write_bytes((fitted / name).read_bytes())
    read_fit(tmp_path)
    content = json.loads((tmp_path / "fit.json").read_text())
    for change in ({"format": 7}, {"arms": []}, {"kinds": [{"n_atoms": "x"}]}, {"elements": ["Q"]},
                   {"kinds": []},
                   {"arms": [{**content["arms"][0], "model": "pickle"}]}):  # fmt: skip
        (tmp_path / "fit.json").write_text(json.dumps({**content, **change}))
        with pytest.raises(UnusableModel, match="sitenet fit"):
            read_fit(tmp_path)
    (tmp_path / "fit.json").write_text(json.dumps(content))
    (tmp_path / "fit.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(UnusableModel):
        read_fit(tmp_path)


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        ("file,a,b\nLiF,1,2\n", [], "has the columns file, a, b: say with --label which one"),
        ("file,a,a\nLiF,1,2\n", ["--label", "a"], "'a'"),
        ("file;a\nLiF;1\n", [], "is it separated by ';'? It must be by commas"),
        ("file\nLiF\n", [], "has only the column file, and none with labels"),
        ("", [], "has no columns, and none with labels"),
        ("file,a\n", [], "30 x no row in own.csv"),
        ("file,a\n" + "".join(f"{c}{a},3\n" for c, a in EDGES), [], "all 28 labels are 3: there"),
        ("file,a\nNaCl,1\nNaF,2\n", [], "too few"),
        ("file,a\nNaCl,x\n", [], "name another with --label"),
        ("file,a\n17,x\n", [], "names a CIF file of cifs: its first row is 17, x, the first file"),
        ("file,a\nNaCl,1\n", ["--label", "c"], "no column 'c'"),
    ],
)
def test_tables_that_cannot_be_used(
    folder: Path, tmp_path: Path, labels: str, more: list[str], message: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    (tmp_path / "own.csv").write_text(labels)
    given = ["fit", str(tmp_path / "own.csv"), "--cifs", "cifs", "--out", str(tmp_path / "out")]
    assert main([*given, *more]) == 1
    assert message in capsys.readouterr().err


def as_csv(table: pd.DataFrame, path: Path, **more: Any) -> None:
    table.to_csv(path.with_suffix(".csv"), **more)


def as_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path.with_suffix(".parquet"))


@pytest.mark.parametrize(
    ("write", "ids", "label"),
    [
        (lambda table, path: as_csv(table, path, index=False), None, "edge"),
        (as_csv, "file", "edge"),  # the first column has the numbers of the rows, and no name
        (as_parquet, None, "edge"),
        (lambda table, path: as_parquet(table.set_index("file"), path), "file", "edge"),
        (lambda table, path: as_parquet(table[::-1], path), None, "edge"),  # keeps row numbers
        (lambda table, path: as_csv(table.set_index("file").rename_axis(None), path), None, "edge"),
        (lambda table, path: as_csv(table.assign(formula="NaCl"), path), "file", "edge"),
        (lambda table, path: as_csv(table.assign(n=8), path), "file", ""),
    ],
)
def test_columns_are_found_in_tables_as_pandas_writes_them(
    folder: Path, tmp_path: Path, write: Callable, ids: str | None, label: str
) -> None:
    names = [f"{cation}{anion}.cif" for cation, anion in EDGES]
    write(pd.DataFrame({"file": names, "edge": list(EDGES.values())}), tmp_path / "own")
    (labels,) = tmp_path.iterdir()
    assert column_of_ids(labels, folder / "cifs") == ids
    source = CifFolderSource(path=str(folder / "cifs"), labels=str(labels), id=ids)
    if label:
        assert column_of_label(source, labels) == label
    else:
        with pytest.raises(SourceError, match="say with --label"):
            column_of_label(source, labels)


def test_the_column_of_numbers_is_the_label(tmp_path: Path) -> None:
    labels = tmp_path / "own.parquet"
    rows = {"cif": ["x"] * 3, "formula": ["NaN"] * 3, "id": list("abc"), "gap": ["1.0", "?", "2"]}
    pd.DataFrame(rows)[::-1].to_parquet(labels)
    assert column_of_label(TableSource(path=str(labels)), labels) == "gap"


@pytest.fixture(scope="module")
def salts(fitted: Path) -> Labelled:
    """The same crystals in memory."""
    kinds = kinds_of([])
    crystals = [in_kinds(read_cif(salt(*pair, edge)), kinds) for pair, edge in EDGES.items()]
    return Labelled(["".join(pair) for pair in EDGES], crystals, np.array(list(EDGES.values())))


def killed_at(draw: Draw) -> Callable:
    original = curves.errors_of_draw

    def interrupted(*given: object) -> list:
        if given[-1] == draw:
            raise KeyboardInterrupt
        return original(*given)

    return interrupted


def count_fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the arms that are trained from now on."""
    keys: list[str] = []
    original = kept.fit_arm

    def counted(arm: Arm, *given: Any) -> dict:
        keys.append(arm.key)
        return original(arm, *given)

    monkeypatch.setattr(kept, "fit_arm", counted)
    return keys


def test_a_killed_fit_goes_on_unless_something_changed(
    salts: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ready,) = prepare(salts, kinds_of([]), [[]], FitSettings(arms=("ridge", "gp")))
    folder, fitted = tmp_path / "kept", count_fits(monkeypatch)
    crystals, arms = ready.table, ready.arms
    first = nested(arms, crystals, ready.label, 0, kept=Kept(folder))
    assert len(fitted) == 30 * len(arms)
    files = sorted(folder.iterdir())
    for lost in (files[0], files[70]):
        lost.unlink()
    files[5].write_bytes(files[5].read_bytes()[:-3])  # of a disk that was full
    fitted.clear()
    again = nested(arms, crystals, ready.label, 0, kept=Kept(folder))
    np.testing.assert_array_equal(again.honest, first.honest)
    assert len(fitted) == 3
    fitted.clear()
    nested(arms, crystals, ready.label + np.arange(28) * 1e-9, 0, kept=Kept(folder))
    assert len(fitted) == 30 * len(arms)
    fitted.clear()
    nested([*arms, Arm("ridge", ("bonds",), ln=True)], crystals, ready.label, 0, kept=Kept(folder))
    assert set(fitted) == {"ridge:bonds"}
    assert len(fitted) == 30
    fitted.clear()
    monkeypatch.setattr(kept, "_code", lambda whole: "changed")
    nested(arms[:1], crystals, ready.label, 0, kept=Kept(folder))
    assert len(fitted) == 30


def test_a_fit_that_is_killed_at_its_end_trains_nothing_again(
    salts: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = salts, tmp_path, Label("edge", "A"), kinds_of([]), [], FitSettings(arms=("ridge", "gp"))
    with monkeypatch.context() as patch:
        patch.setattr("sitenet.few.fit.write_fit", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fit_few_labels(*given)
    (one, *_) = (tmp_path / ".unfinished").glob("*.safetensors")
    one.write_bytes(one.read_bytes()[:-3])  # of a disk that was full
    fitted = count_fits(monkeypatch)
    again, _ = fit_few_labels(*given)
    assert len(fitted) == 1
    afresh, _ = fit_few_labels(salts, tmp_path / "other", *given[2:])
    expected = afresh.apply(salts.crystals).prediction
    np.testing.assert_array_equal(again.apply(salts.crystals).prediction, expected)


def test_a_curve_continues_and_is_drawn(
    salts: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FitSettings(arms=("ridge", "network"), network_from=21, epochs=1)
    (ready,) = prepare(salts, kinds_of([]), [[]], settings)
    parts = {name: "test" if k % 4 == 0 else "train" for k, name in enumerate(ready.ids)}
    folder = tmp_path / "kept"
    draws, out = [Draw(20, 0), Draw(21, 0), Draw(20, 1)], tmp_path / "a" / "curve.parquet"
    split = Parts(tmp_path / "split.csv", parts)
    write_curve([ready], split, draws, 0, folder, out)
    whole = pd.read_parquet(out)
    chosen = whole[(whole.arm == "chosen") & (whole.labels == 20)]
    mean = whole[(whole.arm == "mean") & (whole.labels == 20)]
    assert (chosen.test_mae.to_numpy() < 0.4 * mean.test_mae.to_numpy()).all()
    assert set(chosen["mask"]) == {0, 1}
    with monkeypatch.context() as patch:  # killed in the last draw
        patch.setattr(curves, "errors_of_draw", killed_at(draws[-1]))
        with pytest.raises(KeyboardInterrupt):
            write_curve([ready], split, draws, 0, folder, out)
    assert [*whole[whole.arm == "network:random weights"].labels] == [21]
    arms = len(ready.arms)
    assert len(list(folder.iterdir())) == 6 * (arms - 1) + 6 * arms  # sets of fits, of 20 and of 21
    fitted = count_fits(monkeypatch)
    write_curve([ready], split, draws, 0, folder, out)
    assert len(fitted) == 6 * (arms - 1)
    assert not folder.exists()
    pd.testing.assert_frame_equal(pd.read_parquet(out), whole)
    table, data = tmp_path / "t.csv", tmp_path / "f.parquet"
    draw_few_labels([("edge", "A", out)], tmp_path / "f.pdf", data, table)
    told = pd.read_csv(table)
    first = told[told.labels == 20].iloc[0]
    assert first.arm == "chosen"
    assert first["median"] == pytest.approx(chosen.test_mae.median())
    assert first.ratio == 1
    with pytest.raises(ValueError, match="label_counts"):
        write_curve([ready], split, [Draw(25, 0)], 0, folder, out)


def test_encoders_that_read_crystals_differently_have_controls(
    fitted: Path, tmp_path: Path
) -> None:
    """Two seeds of one architecture, and one that reads the geometry of sites, by hand saved."""
    plain = FeatureSettings(n_atoms=50)
    geometry = FeatureSettings(n_atoms=20, site_geometry=True)
    reading = replace(MODEL, site_geometry=True)
    paths = [tmp_path / name / "model.safetensors" for name in ("a", "b", "c")]
    models = (MODEL, plain), (MODEL, plain), (reading, geometry)
    for seed, (path, (model, features)) in enumerate(zip(paths, models, strict=True)):
        path.parent.mkdir()
        torch.manual_seed(seed)
        save_model(SiteNet(model), model, path, path.with_suffix(".json"),
                   features=features.to_dict())  # fmt: skip
    encoders = load_encoders(numbered(paths), seed=0)
    assert [one.name for one in encoders] == [
        "encoder1", "untrained_encoder1", "encoder2", "encoder3", "untrained_encoder3",
    ]  # fmt: skip
    kinds = kinds_of(encoders)
    assert kinds == (plain, geometry)
    crystals = [in_kinds(read_cif(salt(*pair, edge)), kinds) for pair, edge in EDGES.items()]
    salts = Labelled(["".join(pair) for pair in EDGES], crystals, np.array(list(EDGES.values())))
    out, settings = tmp_path / "out", FitSettings(arms=("ridge",))
    fit, refused = fit_few_labels(salts, out, Label("edge", "A"), kinds, encoders, settings)
    assert not refused
    arms, every = set(pd.read_csv(out / "arms.csv").arm), "encoder1+encoder2+encoder3"
    assert {"ridge:encoder2", "ridge:composition+bonds+encoder3"} <= arms
    assert "ridge:untrained_encoder3" in arms
    assert {f"ridge:{every}", f"ridge:composition+bonds+{every}"} <= arms
    assert "ridge:composition+bonds+untrained_encoder1" not in arms
    report = (out / "report.md").read_text()
    assert all(f"Pre-training of encoder{k}" in report for k in (1, 2, 3))
    arm = Arm("ridge", ("encoder3",), source=encoders[3].source)  # so that its kind is needed
    ready, plain = prepare(salts, kinds, [encoders, []], settings)
    pool, test = np.arange(22), np.arange(22, 28)
    rows = curves.errors_of_draw([curves.Sides(ready, pool, test)], 0, Kept(), Draw(20, 0))
    told = {row["arm"]: row for row in rows}
    alone = curves.errors_of_draw([curves.Sides(plain, pool, test)], 0, Kept(), Draw(20, 0))
    (chosen,) = (row for row in alone if row["arm"] == "chosen")
    assert told["chosen without encoders"]["test_mae"] == chosen["test_mae"]
    assert 0 < told["chosen"]["coverage"] <= 1
    both = [curves.Sides(one, pool, test) for one in (plain, ready)]  # draws take them in turn
    assert curves.errors_of_draw(both, 0, Kept(), Draw(20, 0)) == alone
    assert len(curves.errors_of_draw(both, 0, Kept(), Draw(20, 1))) == len(rows)
    arrays = fit_arm(arm, ready.table, np.arange(28), ready.label, 0)
    of_two = replace(fit, members=[Member(arm, 1.0, arrays)], encoders=[encoders[3]], kinds=kinds)
    write_fit(of_two, out)
    expected = predict_arm(arm, arrays, ready.table, np.array([0]))
    (tmp_path / "LiF.cif").write_text(salt("Li", "F", EDGES["Li", "F"]))
    found = Predictor.load(out).predict(tmp_path / "LiF.cif", workers=1)
    assert found.prediction[0] == pytest.approx(expected[0], rel=1e-5)
    content = json.loads((out / "fit.json").read_text())
    for name in ("bonds", "an encoder", "x" * 101):  # that of other columns; no name
        renamed = [{**content["encoders"][0], "name": name}]
        (out / "fit.json").write_text(json.dumps({**content, "encoders": renamed}))
        with pytest.raises(UnusableModel, match="an encoder is called"):
            read_fit(out)


def test_networks_start_from_encoders(salts: Labelled, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    (kind,) = kinds = kinds_of([])
    gaps = replace(MODEL, output="nonnegative")  # the labels here may be negative
    save_model(SiteNet(gaps), gaps, weights, tmp_path / "model.json", features=kind.to_dict())
    encoders = load_encoders({"encoder1": weights}, seed=0)
    settings = FitSettings(arms=("network",), network_from=1, epochs=2)
    (ready,) = prepare(salts, kinds, [encoders], settings)
    networks = [arm.network for arm in ready.arms if arm.network]
    assert [one.encoder for one in networks] == [None, weights]
    assert {one.settings.output for one in networks} == {"linear"}
    starts = replace(settings, network_starts=("unlabelled",))
    (found,) = prepare(salts, kinds, [[replace(encoders[0], labelled=True), *encoders]], starts)
    assert [arm.source for arm in found.arms if arm.network] == ["encoder1"]
    arm = Arm("network", network=replace(networks[1], training=TrainingSettings(max_epochs=2)))
    arrays = fit_arm(arm, ready.table, np.arange(20), ready.label[:20], 0)
    found = predict_arm(arm, arrays, ready.table, np.array([25, 3]))
    other = predict_arm(arm, arrays, ready.table, np.array([3, 25]))
    np.testing.assert_allclose(found, other[::-1], rtol=1e-5)
    several = of_several_seeds(arm)
    three = fit_arm(several, ready.table, np.arange(20), ready.label[:20], 5)
    ones = [fit_arm(arm, ready.table, np.arange(20), ready.label[:20], 5 + k) for k in range(3)]
    assert len(three) == 3 * (len(ones[0]) - 1) + 1  # the bounds
    read = ready.table.stores[kind], np.array([25, 3])
    means = np.mean([predict_network(arm.network, one, *read) for one in ones], axis=0)
    np.testing.assert_allclose(predict_network(arm.network, three, *read), means, rtol=1e-6)
    with pytest.raises(ValueError, match="of another network"):
        predict_network(arm.network, {"bounds": three["bounds"]}, *read)
    wild = replace(arm.network, training=replace(arm.network.training, learning_rate=1e30))
    arrays = fit_arm(replace(arm, network=wild), ready.table, np.arange(20), ready.label[:20], 0)
    assert np.isfinite(predict_arm(arm, arrays, ready.table, np.arange(28))).all()


def test_networks_of_several_seeds_predict_new_crystals(salts: Labelled, tmp_path: Path) -> None:
    kinds, settings = kinds_of([]), FitSettings(arms=("network",), network_from=1, epochs=10)
    fit, _ = fit_few_labels(salts, tmp_path, Label("edge", "A"), kinds, settings=settings)
    (network,) = (one for one in fit.members if one.arm.network)
    assert {name.partition(".")[0] for name in network.arrays} == {"bounds", *"012"}
    told = read_fit(tmp_path).apply(salts.crystals).prediction
    np.testing.assert_allclose(told, fit.apply(salts.crystals).prediction, rtol=1e-6)
    (ready,) = prepare(salts, kinds, [[]], settings)
    pool, test = np.arange(24), np.arange(24, 28)
    rows = curves.errors_of_draw([curves.Sides(ready, pool, test)], 3, Kept(), Draw(24, 0))
    (shown,) = (row for row in rows if row["arm"] == "network:random weights")
    arm = of_several_seeds(next(arm for arm in ready.arms if arm.network))
    found = predict_arm(
        arm, fit_arm(arm, ready.table, pool, ready.label[pool], 3), ready.table, test
    )
    assert shown["test_mae"] == pytest.approx(np.abs(found - ready.label[test]).mean(), rel=1e-5)


def test_networks_are_judged_as_they_predict_new_crystals(
    salts: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions out of fold are means of three seeds; within outer folds there is one."""
    settings = FitSettings(arms=("network",), network_from=1, epochs=2)
    (ready,) = prepare(salts, kinds_of([]), [[]], settings)
    network = next(arm for arm in ready.arms if arm.network)
    given = [network], ready.table, ready.label
    called = Mock(wraps=predict_tasks)
    monkeypatch.setattr("sitenet.few.nested.predict_tasks", called)
    judged = nested(*given, 3)
    tasks = called.call_args.args[3]
    assert [task.inner for task in tasks] == [False] * 5 + [True] * 25
    first, other = np.flatnonzero(judged.folds == 0), np.flatnonzero(judged.folds != 0)
    read = ready.table, other, ready.label[other]
    for arm, inner in ((of_several_seeds(network), False), (network, True)):
        expected = predict_arm(arm, fit_arm(arm, *read, 3), ready.table, first)
        (found,) = predict_tasks(*given, [Task(other, first, inner)], 3)
        np.testing.assert_allclose(found[0], expected, rtol=1e-6)
        same = np.allclose(judged.predictions[0, first], expected, rtol=1e-6)
        assert same is not inner
