"""Fixtures of the analyses."""

from pathlib import Path

import pytest
from attention_models import SETTINGS, sharp_model
from example_crystals import EXAMPLES

from sitenet.crystal.featurise import featurise
from sitenet.model.saving import save_model
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.shards.schema import open_writer, to_table


@pytest.fixture
def trained(tmp_path: Path) -> dict[str, Path]:
    """A model with a cutoff, and a shard of three crystals in as many row groups."""
    settings = FeatureSettings(n_atoms=60)
    names = ["rutile", "triclinic", "perovskite"]
    with open_writer(tmp_path / "part.parquet") as writer:
        for name in names:
            writer.write_table(to_table([name], [featurise(EXAMPLES[name], settings)]))
    model = sharp_model(ModelSettings(**{**vars(SETTINGS), "cutoff": 5.0}))
    save_model(model, model.settings, tmp_path / "m.safetensors", tmp_path / "m.json")
    return {
        "weights": tmp_path / "m.safetensors",
        "shard": tmp_path / "part.parquet",
        "histogram": tmp_path / "h.parquet",
        "table": tmp_path / "t.csv",
    }
