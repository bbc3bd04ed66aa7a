"""Two trained runs that differ in their seed, and crystals like theirs in several forms."""

from dataclasses import replace
from pathlib import Path

import pytest
from rock_salts import MODEL, TRAINING, outputs, write_rock_salts
from salt_cif import salt

from sitenet.train.supervised import train


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a setting, with the folders seed0 and seed1 as the pipeline leaves them."""
    inputs = write_rock_salts(tmp_path_factory.mktemp("rock_salts"))
    folder = tmp_path_factory.mktemp("setting")
    for seed in (0, 1):
        (folder / f"seed{seed}").mkdir()
        training = replace(TRAINING, max_epochs=15, seed=seed)
        train(inputs, outputs(folder / f"seed{seed}"), MODEL, training)
    return folder


@pytest.fixture
def cifs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a folder `new` of five CIF files, one of which is broken."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "new"
    folder.mkdir()
    for name, pair in {"a": "Na Cl", "b": "K Br", "d": "Li F", "e": "Rb I"}.items():
        (folder / f"{name}.cif").write_text(salt(*pair.split()))
    (folder / "c.cif").write_text("data_x\nloop_\n")
    return folder
