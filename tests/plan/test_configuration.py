"""The configuration of a run: the user's over that of the repository."""

import os
from pathlib import Path

import pytest
import yaml

from sitenet.options.config import ConfigError
from sitenet.plan import paths
from sitenet.plan.configuration import complete

ROOT = Path(__file__).resolve().parents[2]


def test_the_defaults_of_the_repository_are_always_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    defaults = yaml.safe_load((ROOT / "config.yaml").read_text())
    config = complete({"training": {"max_epochs": 7}, "runs": defaults["runs"][:1]}, ROOT, [])
    assert config["training"] == {**defaults["training"], "max_epochs": 7}
    assert len(config["runs"]) == 1
    assert config["infomax"]["experiments"]


def test_mistakes_are_told_with_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    defaults = os.path.relpath(ROOT / "config.yaml")
    files = [str(ROOT / "config.yaml"), str(tmp_path / "own.yaml")]
    with pytest.raises(ConfigError) as caught:
        complete({"speed": 9}, ROOT, files)
    assert str(caught.value).startswith(f"{defaults} + own.yaml: speed is unknown")


def test_logs_and_lists_of_rejections_are_named_after_their_results() -> None:
    assert paths.log(paths.SHARD) == "logs/{dataset}/n{n}/shards/part-{part}.log"
    assert paths.log(f"{paths.RUN}/train") == (
        "logs/{dataset}/n{n}/{task}/{variant}/seed{seed}/train.log"
    )
    assert paths.rejections("results/mine/structures.parquet") == "results/mine/rejected.csv"
    assert paths.rejections("results/a/complexity.parquet") == "results/a/complexity.rejected.csv"
