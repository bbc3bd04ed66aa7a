"""The pipeline from other folders, and as a module of another Snakefile."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_pipeline import CONFIG, ROOT, prepare, snakemake

SPLIT = "results/mine/splits/volume.csv"

MODULE = """
configfile: "mine.yaml"


module sitenet:
    snakefile:
        "{snakefile}"
    config:
        config["crystals"]
    {prefix}


use rule * from sitenet as crystals_*


rule mine:
    default_target: True
    input:
        rules.crystals_all.input,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The crystals and their configuration, and nothing else."""
    prepare(tmp_path)
    return tmp_path


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """Jobs of each rule that Snakemake would run."""
    process = snakemake(folder, "--dry-run", *arguments)
    assert process.returncode == 0, process.stdout + process.stderr
    table = process.stdout.rpartition("Job stats:")[2]
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def run(folder: Path, *arguments: str) -> str:
    """Run Snakemake; what it told."""
    process = snakemake(folder, "--cores", "1", *arguments)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout + process.stderr


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_from_another_folder(folder: Path, snakefile: str) -> None:
    """Everything by default, under the defaults of the repository and its profile."""
    arguments = ("--snakefile", str(ROOT / snakefile))
    own = planned(folder, *arguments, "--configfile", "own.yaml")
    assert own["train"] == 2
    assert own["jobs"] == own["pages"] == 1
    shutil.move(folder / "own.yaml", folder / "config.yaml")
    assert planned(folder, *arguments) == own
    (folder / "config.yaml").unlink()
    whole = planned(folder, *arguments)
    assert whole["train"] > own["train"]  # of config.yaml of the repository
    (folder / "own.yaml").write_text(yaml.safe_dump(CONFIG))
    run(folder, *arguments, SPLIT, "--configfile", "own.yaml")
    assert (folder / SPLIT).exists()


def test_with_directory(folder: Path) -> None:
    """Files of configuration are found from here, crystals and results in the other folder."""
    other = folder / "elsewhere"
    other.mkdir()
    shutil.move(folder / "cifs", other / "cifs")
    arguments = ("--directory", "elsewhere", "--configfile", "own.yaml")
    assert planned(folder, *arguments)["train"] == 2
    run(folder, SPLIT, *arguments)
    assert (other / SPLIT).exists()
    record = json.loads((other / "logs/mine/splits/volume.json").read_text())
    kept = yaml.safe_load((other / f"logs/configurations/{record['config']}.yaml").read_text())
    assert set(kept["datasets"]) == {"mine", "prototypes"}  # of own.yaml and of the repository


def test_configurations_are_laid_over_each_other(folder: Path) -> None:
    """The repository's, that of the working folder, a given file, values on the command line."""
    layers = {"training": {"patience": 7, "max_epochs": 7, "eps": 0.7}}
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **layers}))
    (folder / "over.yaml").write_text(yaml.safe_dump({"training": {"max_epochs": 8, "eps": 0.8}}))
    run(folder, SPLIT, "--configfile", "over.yaml", "--config", "training={eps: 0.9}")
    (kept,) = (folder / "logs/configurations").iterdir()
    training = yaml.safe_load(kept.read_text())["training"]
    assert (training["patience"], training["max_epochs"], training["eps"]) == (7, 8, 0.9)
    assert training["weight_decay"] == 1e-4  # the repository's


@pytest.mark.parametrize("prefix", ["", "crystals"])
def test_as_a_module(folder: Path, prefix: str) -> None:
    """Rules under other names, results under a prefix; crystals stay where they are."""
    statement = f'prefix:\n        "{prefix}"' if prefix else ""
    snakefile = ROOT / "workflow" / "Snakefile"
    (folder / "Snakefile").write_text(MODULE.format(snakefile=snakefile, prefix=statement))
    (folder / "mine.yaml").write_text(yaml.safe_dump({"crystals": CONFIG, "own": {"option": 1}}))
    (folder / "config.yaml").write_text("own: that of another workflow\n")
    jobs = planned(folder, "--snakefile", "Snakefile")
    assert jobs["crystals_train"] == 2
    assert jobs["crystals_pages"] == 1
    run(folder, "--snakefile", "Snakefile", str(Path(prefix, SPLIT)))
    top = folder / prefix
    assert (top / SPLIT).exists()
    record = json.loads((top / "logs/mine/splits/volume.json").read_text())
    assert record["rule"] == "crystals_split"
    assert [path.stem for path in (top / "logs/configurations").iterdir()] == [record["config"]]
    assert json.loads((top / "logs/mine/collect.json").read_text())["inputs"][0] == "cifs"
    command = [sys.executable, "-m", "sitenet", "trace", str(Path(prefix, SPLIT))]
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    traced = subprocess.run(command, cwd=folder, env=own, stdout=subprocess.PIPE, text=True)
    rules = [row["rule"] for row in csv.DictReader(traced.stdout.splitlines())]
    assert rules == ["crystals_collect", "crystals_labels", "crystals_split"]


def test_a_module_tells_mistakes_and_unknown_names(folder: Path) -> None:
    snakefile = ROOT / "Snakefile"
    (folder / "Snakefile").write_text(MODULE.format(snakefile=snakefile, prefix=""))
    (folder / "mine.yaml").write_text(yaml.safe_dump({"crystals": CONFIG}))
    arguments = ("--snakefile", "Snakefile", "--cores", "1")
    process = snakemake(folder, *arguments, "results/other/structures.parquet")
    assert "other is not in the configuration; it has prototypes, mine" in process.stderr
    (folder / "mine.yaml").write_text(yaml.safe_dump({"crystals": {**CONFIG, "modell": {}}}))
    process = snakemake(folder, *arguments)
    assert "modell is unknown (did you mean model?)" in process.stderr
