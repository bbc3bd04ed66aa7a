"""No option is accepted and ignored: trainings and sources read all that their sections offer."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import few_label_salts
import pytest
import rock_salts
import small_pretraining
from watched import watched

from sitenet.options.datasets import (
    CifFolderSource,
    IdList,
    MatbenchSource,
    PrototypesSource,
    SourceSettings,
    TableSource,
)
from sitenet.options.infomax import InfoMaxSettings
from sitenet.options.model import ModelSettings
from sitenet.options.option import Options, options_of
from sitenet.options.training import FewLabelsTraining, PretrainingSettings, TrainingSettings
from sitenet.sources import matbench
from sitenet.sources.kinds import open_source
from sitenet.train.pretrain import pretrain
from sitenet.train.supervised import train


def names(group: type[Options]) -> set[str]:
    return {option.name for option in options_of(group)}


def values(settings: Options, group: type[Options]) -> dict:
    """Options of a group, with the values of other settings."""
    return {name: getattr(settings, name) for name in names(group)}


def test_by_a_training(labelled, tmp_path: Path) -> None:
    model, of_model = watched(ModelSettings)
    training, of_training = watched(TrainingSettings)
    train(
        labelled,
        rock_salts.outputs(tmp_path),
        model(**asdict(rock_salts.MODEL) | {"filtered_sum": 4}),
        training(**values(rock_salts.TRAINING, TrainingSettings)),
    )
    assert names(ModelSettings) <= of_model
    assert names(TrainingSettings) <= of_training


def test_by_a_pre_training(unlabelled, tmp_path: Path) -> None:
    loss, of_loss = watched(InfoMaxSettings)
    training, of_training = watched(PretrainingSettings)
    pretrain(
        unlabelled,
        small_pretraining.outputs(tmp_path),
        small_pretraining.MODEL,
        loss(**asdict(small_pretraining.LOSS)),
        training(**values(small_pretraining.TRAINING, PretrainingSettings)),
    )
    assert names(InfoMaxSettings) <= of_loss
    assert names(PretrainingSettings) <= of_training


def test_by_a_training_on_few_labels(few_labels, tmp_path: Path) -> None:
    training, of_training = watched(TrainingSettings)
    few = training(**values(few_label_salts.TRAINING, FewLabelsTraining))
    settings = replace(few_label_salts.SETTINGS, seeds=1, training=few)
    few_label_salts.train_salts(few_labels, tmp_path, settings=settings)
    assert names(FewLabelsTraining) <= of_training


def prototypes(source: type[PrototypesSource], folder: Path) -> PrototypesSource:
    return source(crystals=10)


def of_table(source: type[TableSource], folder: Path) -> TableSource:
    (folder / "t.csv").write_text("id,cif,e\na,x,1\n")
    (folder / "i.csv").write_text("id\na\n")
    return source(path=str(folder / "t.csv"), ids=IdList(path=str(folder / "i.csv")))


def of_folder(source: type[CifFolderSource], folder: Path) -> CifFolderSource:
    (folder / "a.cif").write_text("")
    (folder / "t.csv").write_text("file,e\na,1\n")
    return source(path=str(folder), labels=str(folder / "t.csv"))


def of_matbench(source: type[MatbenchSource], folder: Path) -> MatbenchSource:
    return source(task="matbench_phonons", cache=str(folder))


@pytest.mark.parametrize(
    ("group", "made"),
    [
        (PrototypesSource, prototypes),
        (TableSource, of_table),
        (CifFolderSource, of_folder),
        (MatbenchSource, of_matbench),
    ],
)
def test_by_a_source(
    group: type[Options], made: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matbench, "download", lambda *_: None)
    monkeypatch.setattr(matbench, "_read", lambda *_: iter(()))
    source, seen = watched(group)
    settings = SourceSettings("d", made(source, tmp_path))
    records, _ = open_source(settings)
    next(records, None)
    assert names(group) <= seen
