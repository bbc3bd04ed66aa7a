"""An encoder that was trained on labelled crystals is told."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from sitenet.api.few_labels import _tell_seen


@pytest.mark.parametrize(("ids", "told"), [(["a", "b", "new"], "2 labelled"), (["new"], "")])
def test_crystals_of_its_training_are_counted(
    ids: list[str], told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pd.DataFrame({
        "id": ["a", "b", "c"], "split": ["train", "val", "test"], "formula": ["MgO"] * 3,
        "target": [1.0] * 3, "prediction": [1.0] * 3,
    }).to_parquet(tmp_path / "predictions.parquet")  # fmt: skip
    encoder = SimpleNamespace(network=SimpleNamespace(crystal_width=3))
    with caplog.at_level("WARNING", logger="sitenet"):
        _tell_seen([tmp_path / "model.safetensors"], [encoder], ids)
    assert told in caplog.text
    assert bool(told) == bool(caplog.text)
