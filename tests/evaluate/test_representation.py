"""What a representation says about a label: cases with a known answer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from random_shards import write_shard

from sitenet.evaluate import representation
from sitenet.evaluate.representation import (
    PENALTIES,
    Labelled,
    Probe,
    evaluate,
    labelled,
    standardised,
    write_representation_errors,
)
from sitenet.options.representation import RepresentationSettings
from sitenet.shards.vectors import read_vectors, write_vectors
from sitenet.splits.label_masks import label_mask

SETTINGS = RepresentationSettings(label_counts=(20, 40), masks=3, mlp_width=8, mlp_max_iter=300)


def probe(vectors: np.ndarray, target: np.ndarray, pool: int) -> Probe:
    ids = [f"c{k}" for k in range(len(vectors))]
    return Probe(
        Labelled(ids[:pool], target[:pool]),
        Labelled(ids[pool:], target[pool:]),
        vectors[:pool],
        vectors[pool:],
    )


@pytest.fixture
def linear() -> Probe:
    """80 crystals to label, 30 to test; the label is a line in five of seven numbers."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(3, [1, 2, 5, 0.1, 9, 1, 1], size=(110, 7))
    return probe(vectors, vectors[:, :5] @ [3, -1, 0.5, 7, 0.2] + 40, pool=80)


def test_a_linear_label_is_found_without_error(linear: Probe) -> None:
    found = evaluate(linear, SETTINGS)
    assert len(found) == 2 * 3 * 3
    assert found[found.model == "linear"].test_mae.max() < 1e-9
    spread = np.abs(linear.test.target - linear.test.target.mean()).mean()
    assert found[found.model == "mlp"].test_mae.max() < spread
    assert found[found.model == "ridge"].test_mae.max() < 0.05 * spread  # needs no penalty
    assert found.test_mae.min() >= 0


def test_an_uninformative_representation_does_not_beat_the_mean(linear: Probe) -> None:
    rng = np.random.default_rng(1)
    noise = replace(linear, pool_vectors=rng.normal(size=(80, 7)),
                    test_vectors=rng.normal(size=(30, 7)))  # fmt: skip
    found = evaluate(noise, SETTINGS).groupby("model").test_mae.median()
    mean = np.abs(linear.test.target - linear.pool.target.mean()).mean()
    assert (found.drop("ridge") > mean).all()
    assert 0.95 * mean < found["ridge"] < found["linear"]  # shrinks towards the mean


def test_ridge_has_the_penalty_that_predicts_labels_left_out_best(linear: Probe) -> None:
    rng = np.random.default_rng(2)
    noisy = replace(linear.pool, target=linear.pool.target + rng.normal(0, 3, 80))
    found = evaluate(replace(linear, pool=noisy), SETTINGS)
    chosen = label_mask(noisy.ids, 20, 1)
    train, test = standardised(linear.pool_vectors[chosen], linear.test_vectors)
    label = noisy.target[chosen]

    def predicted(
        rows: np.ndarray, labels: np.ndarray, new: np.ndarray, penalty: float
    ) -> np.ndarray:
        middle, mean = rows.mean(axis=0), labels.mean()
        gram = (rows - middle).T @ (rows - middle) + penalty * np.eye(rows.shape[1])
        slope = np.linalg.solve(gram, (rows - middle).T @ (labels - mean))
        return (new - middle) @ slope + mean

    def left_out(penalty: float) -> float:
        others = ~np.eye(20, dtype=bool)
        return sum(
            float(predicted(train[o], label[o], train[k], penalty) - label[k]) ** 2
            for k, o in enumerate(others)
        )

    best = min(PENALTIES, key=left_out)
    assert PENALTIES[0] < best < PENALTIES[-1]
    expected = np.abs(predicted(train, label, test, best) - linear.test.target).mean()
    one = found[(found.model == "ridge") & (found.labels == 20) & (found["mask"] == 1)]
    assert one.test_mae.item() == pytest.approx(expected, rel=1e-6)


def test_ridge_does_not_fail_where_columns_are_as_many_as_labels() -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(130, 20))
    noisy = probe(vectors, vectors[:, 0] + rng.normal(size=130), pool=80)
    found = (
        evaluate(noisy, replace(SETTINGS, masks=6)).groupby(["model", "labels"]).test_mae.median()
    )
    spread = np.abs(noisy.test.target - noisy.pool.target.mean()).mean()
    assert found["linear", 20] > 2 * spread
    assert found["ridge", 20] < 1.2 * spread


def test_errors_of_one_mask_by_hand(linear: Probe) -> None:
    """The linear arm is least squares on the mask's crystals, whatever the scale of columns."""
    rng = np.random.default_rng(2)
    noisy = Labelled(linear.pool.ids, linear.pool.target + rng.normal(size=80))
    found = evaluate(replace(linear, pool=noisy), SETTINGS)
    chosen = label_mask(linear.pool.ids, 20, 2)
    design = np.column_stack([linear.pool_vectors[chosen], np.ones(20)])
    line = np.linalg.lstsq(design, noisy.target[chosen])[0]
    predicted = np.column_stack([linear.test_vectors, np.ones(30)]) @ line
    one = found[(found.model == "linear") & (found.labels == 20) & (found["mask"] == 2)]
    expected = np.abs(predicted - linear.test.target).mean()
    assert one.test_mae.item() == pytest.approx(expected, rel=1e-9)


def test_representations_see_the_same_masks_and_are_standardised_alike(linear: Probe) -> None:
    """Shifted columns in another unit, crystals in another order, two processes: same errors."""
    other = np.random.default_rng(3).permutation(80)
    scale, shift = 4.0, np.arange(7)
    moved = Probe(
        Labelled([linear.pool.ids[k] for k in other], linear.pool.target[other]),
        linear.test,
        (linear.pool_vectors * scale + shift)[other],
        linear.test_vectors * scale + shift,
    )
    first, second = evaluate(linear, SETTINGS), evaluate(moved, SETTINGS, workers=2)
    assert second.drop(columns="test_mae").equals(first.drop(columns="test_mae"))
    assert second.test_mae.to_numpy() == pytest.approx(first.test_mae, abs=1e-6)


def test_standardisation_uses_training_rows_only() -> None:
    train = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 10.0]])
    test = np.array([[5.0, 7.0, 0.0], [2.0, 5.0, 1000.0]])
    scaled, scaled_test = standardised(train, test)
    assert scaled.tolist() == [[-1, -1], [1, 1]]  # the constant column is gone
    assert scaled_test.tolist() == [[3, -1], [0, 199]]
    assert standardised(train, test[:1])[1].tolist() == [[3, -1]]
    with pytest.raises(ValueError, match="are the same"):
        standardised(train[:, 1:2], test[:, 1:2])


class Recorded:
    """A model that predicts 0 and keeps what it was trained on."""

    def __init__(self) -> None:
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(self, vectors: np.ndarray, label: np.ndarray) -> None:
        self.seen.append((vectors, label))

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        return np.zeros(len(vectors))


def test_labels_are_standardised_by_those_shown_alone(
    linear: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by others of the pool, nor of the test set: 0 means the mean of the labels shown."""
    model = Recorded()
    monkeypatch.setattr(representation, "_models", lambda settings, seed: [("none", model)])
    found = evaluate(linear, replace(SETTINGS, label_counts=(20,)))
    for mask, (vectors, label) in enumerate(model.seen):
        shown = linear.pool.target[label_mask(linear.pool.ids, 20, mask)]
        assert vectors.mean(0) == pytest.approx(0, abs=1e-12)
        assert label == pytest.approx((shown - shown.mean()) / shown.std())
        error = np.abs(linear.test.target - shown.mean()).mean()
        assert found.test_mae[mask] == pytest.approx(error)
    assert len(model.seen) == 3


def test_what_hardly_varies_is_not_blown_up() -> None:
    """A deviation of 1 beside one of 100 counts as 10."""
    train = np.array([[0.0, 0.0], [200.0, 2.0]])
    assert standardised(train, np.array([[300.0, 101.0]]))[1].tolist() == [[2, 10]]


def test_rounding_is_no_variation() -> None:
    rng = np.random.default_rng(4)
    train = np.column_stack([rng.normal(size=50), 1 + 1e-8 * rng.normal(size=50)])
    assert standardised(train, train)[0].shape == (50, 1)


def test_too_small_a_pool_is_refused(linear: Probe) -> None:
    with pytest.raises(ValueError, match="81 labels are requested, but only 80 crystals"):
        evaluate(linear, replace(SETTINGS, label_counts=(20, 81)))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """50 crystals: 30 to train, 5 to validate, 15 to test; c3 and c40 larger than 10 sites."""
    ids = [f"c{k}" for k in range(50)]
    parts = ["train"] * 30 + ["val"] * 5 + ["test"] * 15
    pd.DataFrame({"id": ids, "split": parts}).to_csv(tmp_path / "split.csv", index=False)
    pd.DataFrame({"id": ids, "y": np.arange(50.0)}).to_parquet(tmp_path / "structures.parquet")
    sites = {name: 12 if name in ("c3", "c40") else 2 for name in ids}
    del sites["c7"], sites["c41"]
    write_shard(tmp_path / "shard.parquet", sites)
    pd.DataFrame({"id": ["c8", "c42"], "reason": "no"}).to_csv(tmp_path / "ofm.csv", index=False)
    pd.DataFrame({"id": [], "reason": []}).to_csv(tmp_path / "xrd.csv", index=False)
    return tmp_path


def chosen(files: Path, settings: RepresentationSettings) -> tuple[Labelled, Labelled]:
    return labelled(
        files / "structures.parquet",
        files / "split.csv",
        "y",
        [files / "shard.parquet"],
        10,
        [files / "ofm.csv", files / "xrd.csv"],
        settings,
    )


def test_crystals_without_a_descriptor_are_left_out_for_all(files: Path) -> None:
    pool, test = chosen(files, RepresentationSettings())
    assert pool.ids == [f"c{k}" for k in range(30) if k not in (3, 7, 8)]
    assert test.ids == [f"c{k}" for k in range(35, 50) if k not in (41, 42)]
    assert pool.target.tolist() == [float(name[1:]) for name in pool.ids]
    small, few = chosen(files, RepresentationSettings(pool=20, test=10))
    assert set(small.ids) < set(pool.ids)
    assert len(small.ids) <= 20
    assert set(few.ids) < set(test.ids)


def test_written_table(files: Path) -> None:
    ids = [f"c{k}" for k in range(50)]
    values = np.column_stack([np.arange(50), np.arange(50) ** 2])
    write_vectors(files / "z.parquet", ids[::-1], [values[::-1]])
    settings = replace(SETTINGS, label_counts=(10,), masks=2)
    crystals = chosen(files, settings)
    write_representation_errors(
        crystals, [files / "z.parquet"], ("one", "infomax"), settings, files / "out.parquet"
    )
    found = pd.read_parquet(files / "out.parquet")
    assert list(found) == ["experiment", "representation", "model", "labels", "mask", "test_mae"]
    assert set(found.experiment) == {"one"}
    assert set(found.representation) == {"infomax"}
    assert found.groupby(["model", "labels"]).size().to_dict() == {
        ("linear", 10): 2,
        ("ridge", 10): 2,
        ("mlp", 10): 2,
    }
    assert found[found.model == "linear"].test_mae.max() < 1e-4


def test_vectors_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(4, 3)
    write_vectors(tmp_path / "a.parquet", ["a", "b"], [values[:2]])
    write_vectors(tmp_path / "none.parquet", [], [np.empty((0, 3))])
    write_vectors(tmp_path / "b.parquet", ["c", "d"], [values[2:3], values[3:]])
    paths = [tmp_path / f"{name}.parquet" for name in ("a", "none", "b")]
    assert read_vectors(paths, ["d", "a"]).tolist() == values[[3, 0]].tolist()
    with pytest.raises(ValueError, match="1 crystals have no vector, the first is e"):
        read_vectors(paths, ["a", "e"])
