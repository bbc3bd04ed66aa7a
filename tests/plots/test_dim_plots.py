"""Figures of representations: what they draw and save equals numbers known beforehand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sitenet.plots import style
from sitenet.plots.box_plots import FAILED, Arm, Boxes, common_limits, draw_boxes
from sitenet.plots.dim_fig7 import draw_dim_fig7
from sitenet.plots.dim_fig8_11 import MODELS, draw_dim_fig8_11
from sitenet.plots.dim_fig9_10 import COLUMNS, MapRow, PropertyRow, draw_dim_fig9, draw_dim_fig10
from sitenet.plots.dim_fig13_s1 import draw_dim_fig13_s1


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures saved in the test."""
    found: list[Figure] = []
    save = style.save

    def spy(figure: Figure, pdf: Path) -> None:
        save(figure, pdf)
        found.append(figure)

    monkeypatch.setattr(style, "save", spy)
    return found


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text"))]


def errors(path: Path, representation: str, medians: dict[tuple[str, int], float]) -> Path:
    """Errors of 21 masks around each median, by model and number of labels."""
    rng = np.random.default_rng(5)
    around = np.concatenate([[0], rng.uniform(0, 0.1, 10), -rng.uniform(0, 0.1, 10)])
    rows = [
        {"experiment": "gap", "representation": representation, "model": model, "labels": labels,
         "mask": mask, "test_mae": median + value}
        for (model, labels), median in medians.items()
        for mask, value in enumerate(around)
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(path / f"{representation}.parquet")
    return path / f"{representation}.parquet"


def test_fig8_compares_with_the_control_and_is_not_stretched_by_failures(
    tmp_path: Path, figures: list[Figure]
) -> None:
    keys = [(model, labels) for model in ("linear", "ridge", "mlp") for labels in (50, 100)]
    paths = [
        errors(tmp_path, "untrained", dict.fromkeys(keys, 1.0)),
        errors(tmp_path, "infomax", dict.fromkeys(keys, 0.8)),
        errors(tmp_path, "xrd", {k: 40.0 if k == ("linear", 100) else 1.2 for k in keys}),
    ]
    draw_dim_fig8_11([("gap", "eV", paths)], "untrained", tmp_path / "f.pdf",
                     tmp_path / "f.parquet", tmp_path / "f.csv")  # fmt: skip
    table = pd.read_csv(tmp_path / "f.csv").set_index(["model", "labels", "representation"])
    assert table["median"]["linear", 100, "xrd"] == pytest.approx(40)
    assert table.median_difference["mlp", 50, "infomax"] == pytest.approx(-0.2)
    assert table.p_holm["ridge", 50, "infomax"] < 0.001
    assert set(table.unit) == {"eV"}
    (figure,) = figures
    assert [axes.get_title() for axes in figure.axes] == list(MODELS.values())
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert 1.3 < figure.axes[0].get_ylim()[1] < 2
    assert {"gap\ntest MAE (eV)", "labels", "21", "above the axis: how many"} <= set(texts(figure))
    drawn = [sum(len(c.get_offsets()) for c in axes.collections) for axes in figure.axes]
    assert drawn == [5 * 21, 6 * 21, 6 * 21]  # every mask, but those told by the number
    assert texts(figure).count("*") == 6  # the trained arm is better everywhere, no other is
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == 3 * 6 * 21


def boxes(**values: list[float]) -> Boxes:
    """A panel of one number of labels, with an arm for each list."""
    table = pd.DataFrame(
        [{"labels": 50, "arm": a, "mae": v} for a, vs in values.items() for v in vs]
    )
    return Boxes(table, "labels", "arm", "mae", {a: Arm(a, style.BLUE) for a in values})


def test_boxes_show_every_value_those_beyond_the_axis_by_their_number() -> None:
    values = [*np.linspace(1, 2, 21), 50.0, 60.0]
    axes = style.new_figure(8, 6).subplots()
    assert draw_boxes(axes, boxes(a=values)) == 2
    (inside,) = (c.get_offsets()[:, 1] for c in axes.collections)
    assert sorted(inside) == pytest.approx(values[:21])
    (triangle,) = (line for line in axes.lines if line.get_marker() == "^")
    assert triangle.get_ydata() == [axes.get_ylim()[1]]
    assert 2 < axes.get_ylim()[1] < 3
    assert [text.get_text() for text in axes.texts] == ["2"]
    median = next(line for line in axes.lines if line.get_color() == style.BLACK)
    assert median.get_ydata() == pytest.approx(np.median(values))


@pytest.mark.parametrize("log", [False, True])
def test_limits_are_those_of_arms_that_do_not_fail(log: bool) -> None:
    good = boxes(a=[1.0, 1.1, 1.2], b=[1.5, 1.6, 1.7])
    low, high = common_limits([good], log)
    assert low < 1
    assert 1.7 < high < 2
    assert common_limits([good], log, may_fail=[boxes(a=[1e3, 2e9, 1e300])]) == (low, high)
    assert common_limits([good], log, may_fail=[boxes(a=[0.5, 2e9])])[0] < 0.5
    failing = boxes(a=[1.0, 1.1, 1.2], b=[1e3, 1e4, 1e300])
    assert FAILED * 1.1 <= common_limits([failing], log)[1] < 1.5 * FAILED * 1.1
    axes = style.new_figure(8, 6).subplots()
    assert draw_boxes(axes, failing, log=log) == 3
    assert max(max(line.get_ydata()) for line in axes.lines) < 1e3  # a page holds no 1e300


def maps(path: Path, name: str, target: float) -> tuple[list[Path], list[Path]]:
    """Maps and silhouettes, trained and untrained; 10 of 30 crystals are of the class."""
    places, scores = [], []
    for k, representation in enumerate(COLUMNS):
        points = pd.DataFrame({
            "id": [f"c{i}" for i in range(30)], "x": np.arange(30.0), "y": np.arange(30.0) % 7,
            "halogen_metal": np.arange(30) < 10, "target": target * np.arange(30)})  # fmt: skip
        points.to_parquet(path / f"{name}.{representation}.parquet")
        score = pd.DataFrame({"space": ["z", "map"], "points": 30, "halogen_metal": 10,
                              "silhouette": [0.5 - 0.25 * k, 0.1]})  # fmt: skip
        score.to_csv(path / f"{name}.{representation}.csv", index=False)
        places.append(path / f"{name}.{representation}.parquet")
        scores.append(path / f"{name}.{representation}.csv")
    return places, scores


def test_maps_show_classes_silhouettes_and_properties(
    tmp_path: Path, figures: list[Figure]
) -> None:
    files = {"gap": maps(tmp_path, "gap", 1.0), "energy": maps(tmp_path, "energy", 2.0)}
    draw_dim_fig9(
        [MapRow(name, *both) for name, both in files.items()],
        tmp_path / "9.pdf",
        tmp_path / "9.parquet",
        tmp_path / "9.csv",
    )
    draw_dim_fig10([PropertyRow(name, name, "eV", places)
                            for name, (places, _) in files.items()],
                           tmp_path / "10.pdf", tmp_path / "10.parquet")  # fmt: skip
    classes, properties = figures
    assert len(classes.axes) == 2  # the same maps are drawn once
    assert {
        "Deep InfoMax: silhouette 0.50 (map 0.10)",
        "untrained: silhouette 0.25 (map 0.10)",
        "gap and energy\nt-SNE 2",
        "halogen and metal",
    } <= set(texts(classes))
    for axis in classes.axes:
        assert [len(c.get_offsets()) for c in axis.collections] == [20, 10]
    assert len(properties.axes) == 4 + 2
    assert {"gap (eV)", "energy (eV)"} <= set(texts(properties))
    table = pd.read_csv(tmp_path / "9.csv")
    assert len(table) == 2 * 2 * 2
    assert table.silhouette.max() == 0.5
    assert len(pd.read_parquet(tmp_path / "10.parquet")) == 2 * 2 * 30


def transferred(path: Path, experiment: str, arm: str, medians: dict[int, float]) -> list[Path]:
    """Errors of 7 seeds around each median, by number of labels: a table for each."""
    around = np.linspace(-0.03, 0.03, 7)
    found = []
    for labels, median in medians.items():
        found.append(path / f"{experiment}.{arm}.{labels}.parquet")
        pd.DataFrame({"experiment": experiment, "arm": arm, "labels": labels, "seed": range(7),
                      "train": 4, "validation": 1, "epochs": 9, "best_epoch": 5, "val_mae": 0.1,
                      "test_mae": median + around, "seconds": 1.0,
                      }).to_parquet(found[-1])  # fmt: skip
    return found


def test_fig7_compares_every_arm_with_random_weights(tmp_path: Path, figures: list[Figure]) -> None:
    results = [
        *transferred(tmp_path, "gap", "random", {50: 1.0, 250: 0.5}),
        *transferred(tmp_path, "gap", "infomax", {50: 0.8, 250: 0.6}),
        *transferred(tmp_path, "energy", "random", {50: 0.3, 250: 0.2}),
        *transferred(tmp_path, "energy", "supervised", {50: 0.1, 250: 0.1}),
    ]
    draw_dim_fig7(["band gap", "energy"], ["eV", "eV/atom"], results, tmp_path / "f.pdf",
                  tmp_path / "f.parquet", tmp_path / "f.csv")  # fmt: skip
    table = pd.read_csv(tmp_path / "f.csv").set_index(["run", "labels", "arm"])
    assert table.median_difference["band gap", 50, "infomax"] == pytest.approx(-0.2)
    assert table.median_difference["band gap", 250, "infomax"] == pytest.approx(0.1)
    # All 7 differences have one sign: p = 2 / 2^7; Holm over the two counts of an experiment.
    assert table.p["band gap", 50, "infomax"] == pytest.approx(2 / 2**7)
    assert table.p_holm["energy", 250, "supervised"] == pytest.approx(2 * 2 / 2**7)
    assert table.unit["energy", 50, "random"] == "eV/atom"
    (figure,) = figures
    assert [axis.get_ylabel() for axis in figure.axes] == ["test MAE (eV)", "test MAE (eV/atom)"]
    for axis in figure.axes:
        above = sum(int(text.get_text()) for text in axis.texts if text.get_text().isdigit())
        assert above + sum(len(c.get_offsets()) for c in axis.collections) == 2 * 2 * 7
    assert texts(figure).count("*") == 1 + 2  # worse at 250 labels is no star
    assert {"random weights", "Deep InfoMax", "trained on another label"} <= set(texts(figure))
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == 8 * 7


def test_joined_figure_has_one_axis_for_all_ways_of_learning(
    tmp_path: Path, figures: list[Figure]
) -> None:
    results = [*transferred(tmp_path, "gap", "random", {50: 2.0, 100: 1.5}),
               *transferred(tmp_path, "gap", "infomax", {50: 1.8, 100: 1.4})]  # fmt: skip
    keys = [(model, labels) for model in ("linear", "ridge", "mlp") for labels in (50, 100)]
    fixed = [
        errors(tmp_path, "untrained", dict.fromkeys(keys, 1.0)),
        errors(tmp_path, "infomax", dict.fromkeys(keys, 0.8)),
        errors(tmp_path, "ofm", {k: 9.0 if k[0] == "linear" else 1.1 for k in keys}),
    ]
    draw_dim_fig13_s1(["band gap"], ["eV"], results, fixed, tmp_path / "f.pdf",
                    tmp_path / "f.parquet", tmp_path / "f.csv")  # fmt: skip
    (figure,) = figures
    limits = {axis.get_ylim() for axis in figure.axes}
    assert len(figure.axes) == 4
    assert len(limits) == 1
    low, high = limits.pop()
    assert low < 0.7 < 2.03 < high < 3  # not the descriptor that is off the scale
    assert texts(figure).count("21") == 2  # above the axis
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert sorted(labels) == [
        "Deep InfoMax", "above the axis: how many", "better than random weights (p < 0.05)",
        "median", "one selection of labels", "orbital field matrix", "random weights",
    ]  # fmt: skip
    table = pd.read_csv(tmp_path / "f.csv").set_index(["model", "labels", "representation"])
    assert table["median"]["transfer", 50, "infomax"] == pytest.approx(1.8)
    assert table["median"]["linear", 100, "ofm"] == pytest.approx(9.0)
    assert len(table) == 2 * 2 + 3 * 2 * 3
    data = pd.read_parquet(tmp_path / "f.parquet")
    assert data.groupby("model").size().to_dict() == {
        "linear": 126, "ridge": 126, "mlp": 126, "transfer": 28}  # fmt: skip
