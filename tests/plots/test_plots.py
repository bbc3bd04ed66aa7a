"""Figures: what they print and save equals numbers known beforehand; files fit for a journal."""

import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from sitenet.evaluate.metrics import regression_metrics
from sitenet.files import write_json
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.plots import style
from sitenet.plots.clouds import CELLS, FEW, Clouds
from sitenet.plots.fig5 import Fig5Run, draw_fig5, parity_limits
from sitenet.plots.fig7 import Training, draw_fig7
from sitenet.plots.table1 import OPTIONS, write_table1


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text of the figures saved in the test."""
    found: list[str] = []
    save = style.save

    def spy(figure: Figure, pdf: Path) -> None:
        save(figure, pdf)
        found.extend(t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")))

    monkeypatch.setattr(style, "save", spy)
    return found


def _fig5_run(folder: Path) -> Fig5Run:
    rng = np.random.default_rng(0)
    target = rng.normal(size=200)
    split = np.where(np.arange(200) < 150, "test", "train")
    prediction = target + np.where(split == "test", 0.25, 9.0)  # test MAE 0.25 exactly
    table = {"id": [f"c{i}" for i in range(200)], "split": split}
    pd.DataFrame(table | {"target": target, "prediction": prediction}).to_parquet(
        folder / "predictions.parquet"
    )
    epochs = {"epoch": [1, 2, 3], "train_mae": [2.0, 0.5, 0.2], "val_mae": [2.1, 0.6, 0.7]}
    pd.DataFrame(epochs).to_csv(folder / "history.csv", index=False)
    test = split == "test"
    scores = regression_metrics(target[test], prediction[test], 0, resamples=10)
    write_json(folder / "metrics.json", {"splits": {"test": scores}, "best_epoch": 2})
    names = ("history.csv", "predictions.parquet", "metrics.json")
    return Fig5Run("gap, N = 50", "gap", "eV", *(folder / name for name in names))


def test_fig5_shows_the_best_epoch_and_the_test_error(tmp_path: Path, texts: list[str]) -> None:
    run = _fig5_run(tmp_path)
    draw_fig5([run, run], tmp_path / "fig5.pdf", tmp_path / "fig5.parquet")
    assert "best: 0.600 eV at epoch 2" in texts
    note = next(text for text in texts if text.startswith("MAE = "))
    assert note.startswith("MAE = 0.250 eV\nR² = 0.9")
    assert note.endswith("150 crystals")
    assert {"target (eV)", "prediction (eV)", "MAE (eV)", "epoch", "(d)"} <= set(texts)
    data = pd.read_parquet(tmp_path / "fig5.parquet")
    assert data.groupby("panel").size().to_dict() == {"learning_curve": 6, "parity": 300}
    points = data[data.panel == "parity"]
    assert (points.prediction - points.target).to_numpy() == pytest.approx(0.25)


def test_figure_files_are_fit_for_print_and_repeatable(tmp_path: Path) -> None:
    run = _fig5_run(tmp_path)
    for folder in ("one", "two"):
        draw_fig5([run], tmp_path / folder / "f.pdf", tmp_path / folder / "f.parquet")
    for name in ("f.pdf", "f.png"):
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert first == second
    pdf = (tmp_path / "one" / "f.pdf").read_bytes()
    assert b"/CIDFontType2" in pdf  # TrueType, embedded
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    with Image.open(tmp_path / "one" / "f.png") as image:
        assert image.width == pytest.approx(17 / 2.54 * 300, abs=1)
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["f.parquet", "f.pdf", "f.png"]


def _fig7(folder: Path, reach: np.ndarray) -> pd.DataFrame:
    """Draw Fig 7 for 40 crystals with I_conf = 0, 0.1, ... and falling size; returns its table.

    A training crystal that lies far off is in both tables, too.
    """
    names = [f"c{i}" for i in range(40)]
    measures = {
        "id": [*names, "trained"],
        "i_conf": [*np.arange(40) / 10, 99.0],
        "primitive_length": [*(19 - np.arange(40) / 4), 99.0],
    }
    pd.DataFrame(measures).to_parquet(folder / "complexity.parquet")
    reaches = {
        "id": [*names[::-1], "unknown", "trained"],
        "split": ["test"] * 41 + ["train"],
        "long_range_coefficient": [*reach[::-1], 1.0, 9.0],
        "even_coefficient": [*np.linspace(0, 4, 40), 1.0, 1.0],
    }
    pd.DataFrame(reaches).to_parquet(folder / "reach.parquet")
    reaches["long_range_coefficient"] = 1 + np.array(reaches["long_range_coefficient"])
    pd.DataFrame(reaches).to_parquet(folder / "farther.parquet")
    draw_fig7(
        [
            Training(task, "salts", seed, folder / table, folder / "complexity.parquet")
            for task, seed, table in (
                ("gap", 0, "reach.parquet"),
                ("gap", 1, "farther.parquet"),
                ("energy", 0, "reach.parquet"),
            )
        ],
        folder / "fig7.pdf",
        folder / "fig7.parquet",
        folder / "fig7.csv",
        folder / "tasks.csv",
    )
    return pd.read_csv(folder / "fig7.csv")


def test_fig7_prints_correlation_and_line(tmp_path: Path, texts: list[str]) -> None:
    everything = _fig7(tmp_path, 2 + 3 * np.arange(40) / 10)
    assert everything.seed.tolist() == (["all", "0", "1"] * 2) + (["all", "0"] * 2)
    medians = everything[everything.against == "i_conf"]["median"].tolist()
    assert medians == pytest.approx([8.35, 7.85, 8.85, 7.85, 7.85])
    table = everything[everything.seed == "0"]
    assert table["task"].tolist() == ["gap", "gap", "energy", "energy"]
    assert table["against"].tolist() == ["i_conf", "primitive_length"] * 2
    assert table["spearman"].tolist() == pytest.approx([1, -1, 1, -1])
    assert table["spearman_low"].tolist() == pytest.approx([1, -1, 1, -1])
    assert table["slope"].tolist() == pytest.approx([3, -1.2] * 2)
    assert table["intercept"].tolist() == pytest.approx([2, 2 + 1.2 * 19] * 2)
    assert table["crystals"].tolist() == [40] * 4  # the one without complexity is left out
    assert table["even_spearman"].tolist() == pytest.approx([-1, 1] * 2)
    assert table["even_median"].tolist() == pytest.approx([2] * 4)
    # 2 + 0.3 i against 4 - 4 i / 39: larger from i = 5 on
    assert table["above_even"].tolist() == pytest.approx([35 / 40] * 4)
    notes = [text for text in texts if text.startswith("Spearman ρ = −1.00 [−1.00, −1.00]\n")]
    assert [note.partition("\n")[2] for note in notes] == [
        "40 crystals, 2 trainings", "40 crystals, one training"]  # fmt: skip
    data = pd.read_parquet(tmp_path / "fig7.parquet")
    assert data.groupby(["task", "seed"]).size().to_dict() == {
        ("energy", 0): 40, ("gap", 0): 40, ("gap", 1): 40}  # fmt: skip
    (row,) = pd.read_csv(tmp_path / "tasks.csv").itertuples()
    assert (row.trainings, row.other_trainings, row.crystals) == (2, 1, 40)
    assert row.difference == pytest.approx(0.5)
    assert np.isnan(row.p)


def test_fig7_has_the_same_axes_for_all_tasks(tmp_path: Path, drawn: list[Figure]) -> None:
    _fig7(tmp_path, np.linspace(1, 4.5, 40))
    for row, trainings in ((0, 2), (3, 1)):
        left, right, medians = drawn[0].axes[row : row + 3]
        assert left.get_xlim() == (0, 4)
        assert right.get_xlim() == (0, 19)
        assert left.get_ylim() == right.get_ylim() == medians.get_ylim() == (0, 7)
        lines = [line for line in left.lines if line.get_color() == style.VERMILLION]
        points = [line for line in medians.lines if line.get_marker() == "o"]
        assert len(lines) == len(points) == trainings
        assert points[0].get_ydata()[0] == pytest.approx(2.75)
        assert [len(c.get_offsets()) for a in (left, right) for c in a.collections] == [40, 40]
        dashed = [line for line in left.lines if line.get_color() == style.BLACK]
        assert dashed[0].get_ydata()[0] == pytest.approx(2)  # median of even attention


def test_fig5_shows_labels_of_one_kind_on_the_same_axes(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    run = _fig5_run(tmp_path)
    other = tmp_path / "other.parquet"
    table = pd.read_parquet(run.predictions)
    table["target"] *= 2
    table["prediction"] *= 2
    table.to_parquet(other)
    wider = replace(run, title="gap, N = 100", predictions=other)
    energy = replace(run, title="energy", label="energy")
    draw_fig5([run, wider, energy], tmp_path / "f.pdf", tmp_path / "f.parquet")
    panels = drawn[0].axes
    for axes in panels[1::2]:
        assert axes.get_xlim() == axes.get_ylim()
        assert axes.get_xticks().tolist() == axes.get_yticks().tolist()
    assert panels[1].get_xlim() == panels[3].get_xlim()
    assert panels[5].get_xlim()[1] < panels[1].get_xlim()[1]
    assert panels[0].get_ylim() == panels[2].get_ylim()
    assert {axes.get_yscale() for axes in panels[::2]} == {"log"}  # all, since one of them is wide


def test_parity_axes_are_those_of_the_labels() -> None:
    target = np.linspace(0, 10, 50)
    points = pd.DataFrame({"target": target, "prediction": target + 0.5})
    low, high = parity_limits(points)
    assert low < 0
    assert 10.5 < high < 11.5
    points.loc[0, "prediction"] = 1e6  # does not make the others a single dot
    assert parity_limits(points) == pytest.approx((low, high), abs=0.5)
    low, high = parity_limits(pd.DataFrame({"target": [2.0] * 3, "prediction": [2.05] * 3}))
    assert low < 2 < 2.05 < high < 3
    assert parity_limits(points.head(0)) == (0, 1)


def test_a_prediction_far_outside_is_marked_and_counted(tmp_path: Path, texts: list[str]) -> None:
    run = _fig5_run(tmp_path)
    table = pd.read_parquet(run.predictions)
    table.loc[:1, "prediction"] = [1e4, -1e4]
    table.to_parquet(run.predictions)
    draw_fig5([run], tmp_path / "f.pdf", tmp_path / "f.parquet")
    assert any(text.endswith("150 crystals, 2 outside") for text in texts)
    assert "outside the axes" in texts  # in the legend


@pytest.mark.parametrize("crystals", [FEW - 1, FEW])
def test_few_crystals_are_points_and_many_are_cells(crystals: int) -> None:
    figure = style.new_figure(8, 6)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    values = np.linspace(0, 1, crystals)
    clouds = Clouds([crystals, 5])
    drawn = clouds.draw(axes, values, values)
    keys = clouds.explain(figure, axes, "crystal")
    if crystals < FEW:
        assert len(drawn.get_offsets()) == crystals
        assert [key.get_label() for key in keys] == ["crystal"]
        assert len(figure.axes) == 1
    else:
        assert drawn.get_array().sum() == crystals
        assert keys == []
        assert figure.axes[1].get_ylabel() == "crystals per cell"


def test_fig7_without_crystals_that_differ_has_no_correlation(
    tmp_path: Path, texts: list[str]
) -> None:
    table = _fig7(tmp_path, np.full(40, 2.0))
    assert table.spearman.isna().all()
    assert table[table.seed == "0"]["median"].tolist() == [2.0] * 4
    assert any(text.startswith("ρ is not defined") for text in texts)


def test_limits_start_at_zero() -> None:
    assert style.from_zero([np.array([1.0, 9.0])]) == (0, 9)
    assert style.from_zero([np.array([0.2])]) == (0, 1)
    assert style.from_zero([np.array([9.0])], room=0.2) == (0, 11)
    assert style.from_zero([np.array([1.0]), np.array([-0.5, 12.2])]) == (-1, 13)


def test_cells_count_every_crystal() -> None:
    axes = Figure().subplots()
    axes.set(xlim=(0, CELLS), ylim=(0, CELLS))
    x = np.concatenate([np.full(FEW, 0.5), [1.5]])
    drawn = Clouds([len(x)]).draw(axes, x, np.concatenate([np.full(FEW, 1.5), [CELLS]]))
    counts = np.ma.filled(drawn.get_array().reshape(CELLS, CELLS), 0)
    assert counts.sum() == FEW + 1
    assert (counts[1, 0], counts[CELLS - 1, 1]) == (FEW, 1)  # rows are y


def test_table1_has_every_setting_of_a_run(tmp_path: Path) -> None:
    model = asdict(ModelSettings(cutoff=5.0, pre_pool_layers=(94, 80), attention_layers=()))
    sections = {
        "model": model,
        "training": TrainingSettings().to_dict(),
        "features": asdict(FeatureSettings(n_atoms=100)),
    }
    write_json(tmp_path / "model.json", sections)
    write_table1([("gap", tmp_path / "model.json")], tmp_path / "t.csv", tmp_path / "t.md")
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = {row["option"]: row for row in csv.DictReader(file)}
    assert rows["attention cutoff (Å)"]["gap"] == "5"
    assert rows["pre-pooling network"]["gap"] == "94, 80"
    assert rows["attention weights network (gW)"]["gap"] == "none"
    assert rows["AMSGrad"]["gap"] == "yes"
    assert rows["learning rate"]["gap"] == rows["learning rate"]["published"]
    assert rows["element embedding size"]["searched in the paper"] == "1 to 128"
    assert set(model) == {o.key for o in OPTIONS if o.section == "model"}
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert len(lines) == len(OPTIONS) + 2
    assert {line.count("|") for line in lines} == {5}


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.7, 30, ["1", "2", "5", "10", "20"]), (0.99, 1.11, ["1", "1.025", "1.05", "1.075", "1.1"])],
)
def test_ticks_of_a_log_axis_are_plain_numbers(low: float, high: float, ticks: list[str]) -> None:
    axes = style.new_figure(8, 6).subplots()
    axes.set(yscale="log", ylim=(low, high))
    style.plain_ticks(axes.yaxis)
    axes.figure.draw_without_rendering()
    shown = [t.get_text() for t in axes.get_yticklabels() if low <= t.get_position()[1] <= high]
    assert shown == ticks
