"""Search for hyperparameters: its space, its outcome, and one search that is killed on the way."""

import importlib
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rock_salts import MODEL, TRAINING

from sitenet.options.config import checked, overlaid
from sitenet.options.model import ModelSettings
from sitenet.options.search import RANGES, SearchRanges, SearchSettings
from sitenet.plots.search import draw_search
from sitenet.train.supervised import RunInputs
from sitenet.tune import search as searching
from sitenet.tune.jobs import FINISHED, Machine, SearchJob, SearchOutputs, Tried
from sitenet.tune.outcome import best_trial, trial_table, write_best
from sitenet.tune.ranges import sections

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
TABLE_1 = {"embedding_size": 92, "site_features_per_head": 30, "interaction_features_per_head": 16,
           "heads": 3, "blocks": 2, "attention_depth": 1, "attention_width": 225,
           "pre_pool_depth": 1, "pre_pool_width": 94, "post_pool_depth": 3,
           "post_pool_width": 200, "learning_rate": 8.12e-4}  # fmt: skip
RUN = {"dataset": "prototypes", "n": 50, "task": "ewald_energy", "variant": "cutoff5",
       "overlay": {"model": {"cutoff": 5.0}}}  # fmt: skip


def test_the_paper_s_choice_is_in_the_space_and_becomes_the_default_configuration() -> None:
    assert all(low <= TABLE_1[name] <= high for name, (low, high) in RANGES.items())
    config = checked(DEFAULT, "config.yaml")
    found = sections(TABLE_1)
    assert found["model"].items() <= config["model"].items()
    assert found["training"].items() <= config["training"].items()


def test_the_default_ranges_are_those_of_the_paper() -> None:
    tuning = {"t": {"dataset": "prototypes", "n": 50, "task": "ewald_energy"}}
    config = checked({**DEFAULT, "tuning": tuning}, "config.yaml")
    assert config["tuning"]["t"]["trials"] == 30
    for ranges in (config["tuning"]["t"]["ranges"], DEFAULT["tuning"]["ewald_energy"]["ranges"]):
        assert {name: tuple(limits) for name, limits in ranges.items()} == RANGES


drawn = st.fixed_dictionaries(
    {
        name: st.integers(int(low), int(high)) if high >= 1 else st.floats(low, high)
        for name, (low, high) in RANGES.items()
    }
)


@given(drawn)
def test_every_point_of_the_space_is_a_valid_configuration(parameters: dict) -> None:
    found = sections(parameters)
    config = checked(overlaid(DEFAULT, found), "drawn")
    settings = ModelSettings.from_dict(
        {**config["model"], "output": "linear", "site_feature_scaling": "standard"}
    )
    assert len(settings.attention_layers) == parameters["attention_depth"]
    assert set(settings.post_pool_layers) == {parameters["post_pool_width"]}
    assert config["training"]["learning_rate"] == pytest.approx(
        parameters["learning_rate"], rel=5e-3
    )


def histories(folder: Path, ends: dict[str, list[float]]) -> None:
    for name, errors in ends.items():
        place = folder / "trials" / name
        place.mkdir(parents=True)
        epochs = np.arange(1, len(errors) + 1)
        rows = {"epoch": epochs, "train_mae": errors, "val_mae": errors, "seconds": 1.0}
        pd.DataFrame(rows).to_csv(place / "history.csv", index=False)


def test_the_table_says_how_trials_ended_and_the_best_is_a_valid_configuration(tmp_path: Path):
    histories(tmp_path, {"a": [3.0, 1.0, 2.0], "b": [9.0], "c": [0.5], "e": [9.0] * 5})
    (tmp_path / "trials" / "a" / FINISHED).touch()
    tried = [Tried(1, "a", TABLE_1, None), Tried(2, "b", TABLE_1, None),
             Tried(3, "c", TABLE_1, "no memory"), Tried(4, "d", TABLE_1, "at once"),
             Tried(5, "e", TABLE_1, None)]  # fmt: skip
    trials, curves = trial_table(tried, tmp_path, max_epochs=5)
    assert trials.outcome.tolist() == ["finished", "stopped", "failed", "failed", "finished"]
    assert trials.val_mae.tolist()[:2] == [1.0, 9.0]
    assert curves.groupby("trial").size().to_dict() == {1: 3, 2: 1, 3: 1, 5: 5}
    best = best_trial(trials)
    assert best.trial == 1
    with pytest.raises(ValueError, match="all 2 trials failed, the first with: no memory"):
        best_trial(trials[2:4])

    job = SearchJob(None, {}, {"seed": 3}, tmp_path, "cpu")  # type: ignore[arg-type]
    job = replace(job, inputs=RunInputs(tmp_path, (), tmp_path, "e", "eV/atom", None))  # type: ignore[arg-type]
    path = tmp_path / "narrow" / "best.yaml"
    write_best(path, best, job, RUN)
    assert "1 eV/atom after 3 epochs" in path.read_text()
    assert "&id" not in path.read_text()
    config = checked(overlaid(DEFAULT, yaml.safe_load(path.read_text())), "best.yaml")
    variant = config["variants"]["tuned_narrow"]
    assert variant == {"model": {"cutoff": 5.0, **sections(TABLE_1)["model"]},
                       "training": {"learning_rate": 8.12e-4}}  # fmt: skip
    assert [(run["variant"], run["seeds"]) for run in config["runs"]] == [
        ("cutoff5", [3]),
        ("tuned_narrow", [3]),
    ]


class StubRay(ModuleType):
    """What a trial asks of Ray, in its place: `reports` is what it was told."""

    def __init__(self, trial: str) -> None:
        super().__init__("ray")
        self.reports: list[dict[str, float]] = []
        self.tune = SimpleNamespace(
            get_context=lambda: SimpleNamespace(get_trial_id=lambda: trial),
            report=self.reports.append,
        )


@pytest.mark.parametrize("rate", [5e-3, 1e30])
def test_a_trial_reports_its_lowest_error_after_every_epoch(
    labelled: RunInputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rate: float,
) -> None:
    """One that diverges fails, and is not marked as finished."""
    ray = StubRay("t1")
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.delitem(sys.modules, "sitenet.tune.trial", raising=False)
    trial = importlib.import_module("sitenet.tune.trial")
    job, _ = small_search(labelled, tmp_path)
    drawn = {name: low for name, (low, _) in RANGES.items()} | {"learning_rate": rate}
    folder = job.folder / "trials" / "t1"
    if rate > 1:
        with pytest.raises(ValueError, match="the validation error is nan"):
            trial.run_trial(drawn, job, cpus=1)
        assert not (folder / FINISHED).exists()
        return
    trial.run_trial(drawn, job, cpus=1)
    errors = pd.read_csv(folder / "history.csv").val_mae
    assert [report["epoch"] for report in ray.reports] == list(range(1, 10))
    np.testing.assert_allclose([r["best_mae"] for r in ray.reports], errors.cummin(), rtol=1e-12)
    assert (folder / FINISHED).exists()


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "sitenet.tune.engine", raising=False)
    with pytest.raises(ImportError, match="make tune"):
        searching.search(*[None] * 5)  # type: ignore[list-item]


def outputs(folder: Path) -> SearchOutputs:
    return SearchOutputs(folder / "best.yaml", folder / "trials.csv", folder / "curves.parquet")


def small_search(given: RunInputs, folder: Path) -> tuple[SearchJob, SearchSettings]:
    """Three trials of up to 9 epochs, of which one must stop after the first."""
    free = {"heads": (1, 2), "blocks": (1, 2), "learning_rate": (1e-3, 1e-2)}
    ranges = {name: free.get(name, (low, low)) for name, (low, _) in RANGES.items()}
    training = replace(TRAINING, max_epochs=9).to_dict()
    job = SearchJob(given, MODEL.to_dict(), training, folder / ".search", "cpu")
    settings = SearchSettings(
        trials=3,
        concurrent=1,
        max_epochs=9,
        grace_epochs=1,
        reduction_factor=3,
        ranges=SearchRanges(**ranges),
    )
    return job, settings


PROGRAM = """
import pickle, sys
from sitenet.progress import setup_logging
from sitenet.tune.search import search
setup_logging()
search(*pickle.loads(open(sys.argv[1], "rb").read()))
"""


def test_a_search_that_was_killed_goes_on(labelled: RunInputs, tmp_path: Path):
    """Killed in its second trial, it neither repeats the first nor loses the second."""
    pytest.importorskip("ray")
    given = tmp_path / "given.pickle"
    arguments = (*small_search(labelled, tmp_path), Machine(1, 0), outputs(tmp_path), RUN)
    given.write_bytes(pickle.dumps(arguments))
    command = [sys.executable, "-c", PROGRAM, str(given)]

    def ended() -> int:
        return len(list(tmp_path.glob(f".search/trials/*/{FINISHED}")))

    def begun() -> list[Path]:
        return list(tmp_path.glob(".search/trials/*/history.csv"))

    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 180
    while len(begun()) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    first = process.communicate()[1]
    before = {path.parent.name: pd.read_csv(path) for path in begun()}
    assert len(before) == 2, first
    assert not (tmp_path / "best.yaml").exists()

    second = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=300)
    assert second.returncode == 0, second.stderr
    assert "going on with an unfinished search" in second.stderr
    trials = pd.read_csv(tmp_path / "trials.csv")
    curves = pd.read_parquet(tmp_path / "curves.parquet")
    assert len(trials) == 3
    assert set(trials.outcome) <= {"finished", "stopped"}
    assert trials.epochs.max() == 9
    for number, rows in enumerate(before.values(), 1):
        kept = curves[curves.trial == number].val_mae.to_numpy()[: len(rows)]
        np.testing.assert_array_equal(kept, rows.val_mae)
    best = yaml.safe_load((tmp_path / "best.yaml").read_text())
    rate = best["variants"][f"tuned_{tmp_path.name}"]["training"]["learning_rate"]
    assert rate == float(f"{trials.learning_rate[trials.val_mae.idxmin()]:.3g}")
    assert not (tmp_path / ".search").exists()
    draw_search(tmp_path / "trials.csv", tmp_path / "curves.parquet", "eV", tmp_path / "search.pdf",
         tmp_path / "search.parquet")  # fmt: skip
    assert pd.read_parquet(tmp_path / "search.parquet").best_so_far.is_monotonic_decreasing
