"""Maps of representations: chemical classes, their distance, and that neighbours stay so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_samples

from sitenet.analysis.tsne import apartness, halogen_and_metal, plane, write_map
from sitenet.options.representation import MapSettings
from sitenet.shards.vectors import write_vectors


def numbers(*formulas: str) -> list[np.ndarray]:
    from pymatgen.core import Composition

    return [np.array([e.Z for e in Composition(f)], dtype=np.int16) for f in formulas]


def test_halogen_and_metal() -> None:
    yes = ["NaCl", "Fe2OF", "CsPbI3", "LaBr3", "K2SiF6"]
    no = ["Na2O", "SiF4", "CCl4", "Fe", "I2", "TeCl4", "KrF2"]
    assert halogen_and_metal(numbers(*yes)).all()
    assert not halogen_and_metal(numbers(*no)).any()


def clusters(distance: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.arange(80) % 4 == 0
    return rng.normal(size=(80, 5)) + distance * label[:, None], label


def test_silhouette_rises_with_the_distance_of_the_classes() -> None:
    values = [apartness(*clusters(distance)) for distance in (0.0, 1.0, 3.0, 30.0)]
    assert values == sorted(values)
    assert abs(values[0]) < 0.05
    assert values[-1] > 0.9
    points, label = clusters(3.0)
    assert apartness(points, label) == pytest.approx(silhouette_samples(points, label).mean())
    assert apartness(points, ~label) == pytest.approx(apartness(points, label))
    assert np.isnan(apartness(points, np.ones(80, dtype=bool)))


def test_silhouette_by_hand() -> None:
    """Points at 0 and 1 against 10: own distances 1, 1; others 10, 9; a class of one counts 0."""
    points, label = np.array([[0.0], [1.0], [10.0]]), np.array([False, False, True])
    assert apartness(points, label) == pytest.approx(((10 - 1) / 10 + (9 - 1) / 9 + 0) / 3)


def test_islands_stay_islands_on_the_map_and_the_map_is_repeatable() -> None:
    points, label = clusters(20.0)
    settings = MapSettings(perplexity=0.05)
    found = plane(points, settings)
    assert apartness(found, label) > 0.3
    assert np.array_equal(found, plane(points, settings))
    with pytest.raises(ValueError, match="4 points or more, not 3"):
        plane(points[:3], settings)


def test_written_map(tmp_path: Path) -> None:
    points, label = clusters(20.0)
    ids = [f"c{k}" for k in range(80)]
    rows = [z for k in range(80) for z in numbers("NaCl" if label[k] else "Na2O")]
    pd.DataFrame({"id": ids, "numbers": rows, "y": np.arange(80.0)}).to_parquet(
        tmp_path / "s.parquet"
    )
    parts = ["test"] * 60 + ["train"] * 20
    pd.DataFrame({"id": ids, "split": parts}).to_csv(tmp_path / "split.csv", index=False)
    write_vectors(tmp_path / "z.parquet", ids[1:], [points[1:]])  # c0 has no vector
    paths = [tmp_path / name for name in ("s.parquet", "split.csv", "z.parquet", "m.parquet",
                                          "m.csv")]  # fmt: skip
    write_map(paths[0], paths[1], "y", paths[2], MapSettings(points=40), paths[3], paths[4])
    found, scores = pd.read_parquet(paths[3]), pd.read_csv(paths[4])
    which = [int(name[1:]) for name in found.id]
    assert len(which) == len(set(which)) <= 40
    assert set(which) <= set(range(1, 60))
    assert found.target.tolist() == which
    assert found.halogen_metal.tolist() == label[which].tolist()
    assert scores.space.tolist() == ["z", "map"]
    assert scores.points.tolist() == [len(which)] * 2
    assert scores.silhouette[0] == pytest.approx(
        apartness(points[which].astype(np.float32), label[which]), abs=1e-6
    )
    assert scores.silhouette[1] == pytest.approx(
        apartness(found[["x", "y"]].to_numpy(), label[which])
    )
