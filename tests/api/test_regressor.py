"""The estimator of scikit-learn: its protocol, its results, and what it leaves out."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from salt_cif import salt
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from sitenet import Predictor, SiteNetRegressor
from sitenet.files import read_json, write_json

TINY = {"embedding_size": 4, "site_features_per_head": 4, "interaction_features_per_head": 2,
        "heads": 2, "attention_layers": [8], "pre_pool_layers": [8],
        "post_pool_layers": [8]}  # fmt: skip
CATIONS = {"Li": 3, "Na": 11, "K": 19, "Mg": 12, "Ca": 20}
ANIONS = {"F": 9, "Cl": 17, "Br": 35, "O": 8}
EDGES = {(c, a): 3.5 + 0.02 * (z + x) for c, z in CATIONS.items() for a, x in ANIONS.items()}
CRYSTALS = [salt(*pair, edge) for pair, edge in EDGES.items()]
LABELS = np.array([20 / edge for edge in EDGES.values()])


def regressor(**options: Any) -> SiteNetRegressor:
    given = {"n_atoms": 8, "max_epochs": 8, "batch_sites": 20, "learning_rate": 0.01,
             "model": TINY, "device": "cpu", "workers": 1}  # fmt: skip
    return SiteNetRegressor(**{**given, **options})


@pytest.fixture(scope="module")
def fitted() -> SiteNetRegressor:
    return regressor(max_epochs=20, unit="eV").fit(CRYSTALS, LABELS)


def test_it_learns(fitted: SiteNetRegressor) -> None:
    assert fitted.score(CRYSTALS, LABELS) > 0.5
    assert fitted.rejected_ == []
    assert len(fitted.history_) == 20
    assert fitted.history_[-1]["train_mae"] < 0.5 * fitted.history_[0]["train_mae"]


def test_its_result_depends_on_data_and_seed_alone() -> None:
    short = {"max_epochs": 2}
    first = regressor(**short).fit(CRYSTALS, LABELS).predict(CRYSTALS)
    np.testing.assert_array_equal(regressor(**short).fit(CRYSTALS, LABELS).predict(CRYSTALS), first)
    other = regressor(random_state=1, **short).fit(CRYSTALS, LABELS)
    assert np.abs(other.predict(CRYSTALS) - first).max() > 1e-3


def test_it_works_in_cross_validation_pipelines_and_searches() -> None:
    estimator = regressor(max_epochs=2)
    scores = cross_val_score(estimator, CRYSTALS, LABELS, cv=2, error_score="raise")
    assert np.isfinite(scores).all()
    pipeline = Pipeline([("same", FunctionTransformer()), ("model", estimator)])
    grid = {"model__learning_rate": [1e-6, 0.01]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise",
                          scoring="neg_mean_absolute_error")  # fmt: skip
    search.fit(CRYSTALS, LABELS)
    assert search.best_params_ == {"model__learning_rate": 0.01}
    assert search.predict(CRYSTALS[:2]).shape == (2,)


def test_it_is_saved_without_pickle_and_read_by_the_predictor(
    fitted: SiteNetRegressor, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "saved")
    expected = fitted.predict(CRYSTALS[:5])
    names = {path.name for path in (tmp_path / "saved").iterdir()}
    assert names == {"model.safetensors", "model.json", "predictions.parquet", "history.csv",
                     "training_set.safetensors", "estimator.json"}  # fmt: skip
    loaded = SiteNetRegressor.load(tmp_path / "saved", "cpu")
    assert loaded.get_params() == fitted.get_params()
    assert loaded.history_ == fitted.history_
    np.testing.assert_array_equal(loaded.predict(CRYSTALS[:5]), expected)
    rows = Predictor.load(tmp_path / "saved").predict([*CRYSTALS[:5], salt("Au")])
    assert rows.prediction[:5].to_numpy() == pytest.approx(expected)
    assert rows.unit[0] == "eV"
    assert rows.unlike[5].startswith("no training crystal has Au")


def test_what_is_no_saved_estimator_is_refused(fitted: SiteNetRegressor, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    content = read_json(tmp_path / "estimator.json")
    write_json(tmp_path / "estimator.json", {"parameters": {"path": "/etc"}})
    with pytest.raises(ValueError, match=r"estimator\.json is not of a SiteNetRegressor"):
        SiteNetRegressor.load(tmp_path)
    write_json(tmp_path / "estimator.json", content)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"without model\.safetensors"):
        SiteNetRegressor.load(tmp_path)


def test_copies_predict_the_same_and_clones_are_unfitted(fitted: SiteNetRegressor) -> None:
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict(CRYSTALS[:3]), fitted.predict(CRYSTALS[:3]))
    cloned = clone(fitted)
    assert cloned.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        cloned.predict(CRYSTALS)


def test_what_cannot_be_used_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    crystals = [*CRYSTALS[:8], "data_x\nloop_\n", CRYSTALS[8]]
    labels = [*LABELS[:7], np.nan, 1.0, LABELS[8]]
    estimator = regressor(max_epochs=1).fit(crystals, labels)
    assert [place for place, _ in estimator.rejected_] == [7, 8]
    assert estimator.rejected_[0][1] == "its label is nan"
    assert "2 of 10 crystals are not trained on; the first is number 7" in caplog.text
    predicted = estimator.predict(crystals)
    assert np.isnan(predicted).tolist() == [k == 8 for k in range(10)]
    assert "1 of 10 crystals are not predicted; the first is number 8" in caplog.text


@pytest.mark.parametrize(
    ("crystals", "labels", "options", "told"),
    [
        (CRYSTALS[:5], LABELS[:4], {}, r"X has 5 crystals and y the shape \(4,\)"),
        (CRYSTALS[:3], LABELS[:3], {}, "3 usable crystals of at most 8 sites are too few"),
        (["data_x\n"] * 5, LABELS[:5], {}, "no crystal could be used; the first: the CIF"),
        (CRYSTALS, LABELS, {"random_state": None}, "random_state must be a whole number, not None"),
        (CRYSTALS, LABELS, {"validation_fraction": 1}, "validation_fraction must be between"),
        (CRYSTALS, LABELS, {"model": {"haeds": 1}}, "haeds"),
        (CRYSTALS, LABELS, {"max_epochs": 0}, "max_epochs"),
        (CRYSTALS, LABELS, {"device": "tpu"}, "device must be auto"),
    ],
)
def test_senseless_calls_are_refused(
    crystals: list[str], labels: np.ndarray, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        regressor(**options).fit(crystals, labels)


def test_crystals_of_one_formula_can_be_trained_on() -> None:
    crystals = [salt(edge=5 + 0.1 * k) for k in range(6)]
    estimator = regressor(max_epochs=1).fit(crystals, np.arange(6.0))
    assert np.isfinite(estimator.predict(crystals)).all()


class OfNumbers(SiteNetRegressor):
    """Claims to take rows of numbers, so that the checks run at all."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


NUMBERS = "fits rows of numbers, which are no crystals and refused"
DECLARED = dict.fromkeys(
    ["check_dict_unchanged", "check_dont_overwrite_parameters", "check_estimator_sparse_array",
     "check_estimator_sparse_matrix", "check_estimator_sparse_tag", "check_estimators_dtypes",
     "check_estimators_fit_returns_self", "check_estimators_overwrite_params",
     "check_estimators_pickle", "check_f_contiguous_array_estimator", "check_fit2d_1feature",
     "check_fit2d_1sample", "check_fit_check_is_fitted", "check_fit_idempotent",
     "check_fit_score_takes_y", "check_methods_sample_order_invariance",
     "check_methods_subset_invariance", "check_pipeline_consistency",
     "check_positive_only_tag_during_fit", "check_readonly_memmap_input",
     "check_regressor_data_not_an_array", "check_regressors_int",
     "check_regressors_no_decision_function", "check_regressors_train"],
    NUMBERS,
)  # fmt: skip
"""Checks of scikit-learn that cannot pass."""


def test_checks_of_scikit_learn_pass_but_for_those_declared() -> None:
    results = check_estimator(OfNumbers(workers=1), expected_failed_checks=DECLARED, on_skip=None)
    passed = {one["check_name"] for one in results if one["status"] == "passed"}
    assert len(passed) >= 13
    assert {"check_estimator_cloneable", "check_no_attributes_set_in_init",
            "check_parameters_default_constructible", "check_get_params_invariance",
            "check_set_params", "check_estimators_unfitted"} <= passed  # fmt: skip
