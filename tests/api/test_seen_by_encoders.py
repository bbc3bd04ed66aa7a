"""Encoders that were trained on labelled crystals are told, and left out if they know the label."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from few_label_salts import MODEL
from salt_cif import salt

from sitenet.api import few_labels
from sitenet.api.few_labels import _unseen, _weights
from sitenet.api.located import located
from sitenet.few.encoders import Encoder, kinds_of, load_encoders, stores_of
from sitenet.few.labels import Labelled
from sitenet.few.seen import Seen, seen_by
from sitenet.model.inference import predict
from sitenet.model.saving import save_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.shards.guarded import in_kinds
from sitenet.structure.cif import read_cif

FEATURES = FeatureSettings(n_atoms=20)
PAIRS = [(c, a) for c in ("Li", "Na", "K", "Rb") for a in ("F", "Cl", "Br", "I")]


@pytest.fixture
def encoders(tmp_path: Path) -> list[Encoder]:
    """One whose run saw the crystals LiF to NaI, the last one under another formula."""
    weights = tmp_path / "model.safetensors"
    torch.manual_seed(0)
    save_model(SiteNet(MODEL), MODEL, weights, weights.with_suffix(".json"),
               features=FEATURES.to_dict(), label={"column": "y", "unit": ""})  # fmt: skip
    names = ["".join(pair) for pair in PAIRS]
    formulas = [*names[:7], "Si", *names[8:]]
    parts = np.where(np.arange(16) < 8, "train", "val")
    parts[12:] = "test"
    ids = [*names[:8], *(f"other {name}" for name in names[8:])]
    table = pd.DataFrame({"id": ids, "split": parts, "formula": formulas})
    table.to_parquet(tmp_path / "predictions.parquet")
    return load_encoders({"encoder1": weights}, seed=0)


def labelled_by(label: str, encoders: list[Encoder]) -> Labelled:
    """The crystals, labelled with noise or with what the first encoder predicts."""
    kinds = kinds_of(encoders)
    crystals = [in_kinds(read_cif(salt(*pair)), kinds) for pair in PAIRS]
    ids = ["".join(pair) for pair in PAIRS]
    values = np.random.default_rng(0).normal(size=16)
    if label == "learned":
        store = stores_of(ids, crystals, kinds)[FEATURES]
        values = 3 + 100 * predict(encoders[0].network, store).astype(float)
    return Labelled(ids, crystals, values)


def test_crystals_are_recognised_by_name_and_formula(encoders: list[Encoder]) -> None:
    kinds = kinds_of(encoders)
    assert seen_by(encoders[0], labelled_by("noise", encoders), kinds) == Seen(
        7, 11, False, labels=True
    )
    assert seen_by(encoders[0], labelled_by("learned", encoders), kinds) == Seen(
        7, 11, True, labels=True
    )
    few = labelled_by("learned", encoders).taken(range(9))
    assert not seen_by(encoders[0], few, kinds).learned
    elsewhere = replace(encoders[0], weights=Path("elsewhere/model.safetensors"))
    assert seen_by(elsewhere, few, kinds) == Seen(0, 0, False, labels=False)


@pytest.mark.parametrize(
    ("label", "optional", "kept", "told"),
    [
        ("noise", True, 2, "was trained on 7 labelled crystals (by name and formula): its arms"),
        ("learned", False, 2, "and learned this label or one that goes with it: its arms may look"),
        ("learned", True, 0, "is not used: it learned this label, or one that goes with it, on"),
    ],
)
def test_encoders_that_know_the_label_are_left_out(
    encoders: list[Encoder], label: str, optional: bool, kept: int, told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with caplog.at_level("INFO", logger="sitenet"):
        found = _unseen(encoders, labelled_by(label, encoders), kinds_of(encoders), optional)
    assert len(found) == kept
    assert told in caplog.text


def test_of_an_encoder_without_labels_it_is_only_told_what_it_learned_from(
    encoders: list[Encoder], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_model(encoders[0].network, MODEL, tmp_path / "model.safetensors",
               tmp_path / "model.json", features=FEATURES.to_dict(), pretext={})  # fmt: skip
    kinds, labelled = kinds_of(encoders), labelled_by("learned", encoders)
    with caplog.at_level("INFO", logger="sitenet"):
        assert len(_unseen(encoders, labelled, kinds, optional=True)) == 2
    (told,) = caplog.records
    assert told.levelname == "INFO"
    assert "learned from 7 of the labelled crystals" in told.message


def test_encoders_of_the_package_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = located("formation_energy")
    assert others
    (crystals,) = located("encoder_crystals")
    assert _weights(None) == {"formation_energy": first, "encoder_crystals": crystals}
    assert _weights(["formation_energy", first]) == {"formation_energy": first}
    given = [first.parent, "encoder_crystals", *others]
    numbers = dict(zip(("encoder3", "encoder4"), others, strict=True))
    assert _weights(given) == {"encoder1": first, "encoder_crystals": crystals, **numbers}
    assert _weights([]) == {}
    monkeypatch.setattr(few_labels, "trained_models", list)  # a package without its data
    assert _weights(None) == {}


def test_where_an_encoder_of_the_package_is_told_is_the_same_on_every_machine(
    encoders: list[Encoder], tmp_path: Path
) -> None:
    crystals, control = load_encoders(_weights(["encoder_crystals"]), seed=0)
    assert crystals.source == "sitenet/trained/encoder_crystals/model.safetensors"
    assert crystals.weights == located("encoder_crystals")[0]
    assert control.name == crystals.control == "untrained_encoder_crystals"
    assert control.source == "random weights, as encoder_crystals"
    assert control.weights is None
    assert encoders[0].source == str(tmp_path / "model.safetensors")
