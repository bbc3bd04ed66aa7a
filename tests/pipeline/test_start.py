"""A training that starts from an encoder of crystals without labels, as a user runs it."""

import copy
import json
from pathlib import Path

import pandas as pd
from tiny_pipeline import CONFIG, CRYSTALS, prepare, snakemake

from sitenet.tables import read_table

RUN = "results/mine/n16/volume/small/seed1"
PRETRAINING = "results/others/n16/pretraining/start"


def test_a_training_starts_from_crystals_without_labels(tmp_path: Path) -> None:
    config = copy.deepcopy(CONFIG)
    config["datasets"]["others"] = {
        "source": {"kind": "cif_folder", "path": str(CRYSTALS), "labelled": False},
        "split": {"validation": 0.3},
        "shards": 1,
    }
    config["variants"]["small"]["pretrainings"] = ["start"]
    config["infomax"]["pretrainings"]["start"] = {
        "dataset": "others", "n": 16, "variant": "small", "pretext": {}
    }  # fmt: skip
    prepare(tmp_path, config)
    process = snakemake(tmp_path, "--configfile", "own.yaml", "--cores", "2",
                        f"{RUN}/metrics.json")  # fmt: skip
    assert process.returncode == 0, process.stderr
    about = json.loads((tmp_path / RUN / "model.json").read_text())
    assert about["started_from"]["pretext"]["computed"] == 2.0
    learned = read_table(tmp_path / PRETRAINING / "training_set.parquet")
    parts = pd.read_csv(tmp_path / "results/mine/splits/volume.csv").set_index("id").split
    tested = set(parts.index[parts == "test"])
    assert tested
    assert not tested & set(learned.id)  # the files are the same, under the same names
    assert set(learned.id) & set(parts.index[parts == "train"])
    assert set(learned.split) == {"train", "val"}
