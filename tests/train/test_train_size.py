"""Training on a part of the training crystals."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from rock_salts import MODEL, TRAINING, outputs

from sitenet.train.supervised import train


def test_a_smaller_training_set_is_part_of_a_larger_one(labelled, tmp_path):
    seen = {}
    for size in (10, 20):
        settings = replace(TRAINING, max_epochs=1, train_size=size)
        train(labelled, outputs(tmp_path / str(size)), MODEL, settings)
        table = pd.read_parquet(tmp_path / str(size) / "predictions.parquet")
        seen[size] = set(table.id[table.split == "train"])
        assert len(seen[size]) == size
        assert "large" in set(table.id[table.split == "unused"])
        record = json.loads((tmp_path / str(size) / "metrics.json").read_text())
        assert record["splits"]["train"]["n"] == size
    assert seen[10] < seen[20]
    with pytest.raises(ValueError, match="train_size is 500, but only"):
        train(labelled, outputs(tmp_path / "x"), MODEL, replace(TRAINING, train_size=500))
