"""Fixtures shared by all tests."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from computed import computed_of
from few_label_salts import write_salts
from rock_salts import write_rock_salts

from sitenet.splits.held_out import HeldOut
from sitenet.train.pretrain import PretrainInputs
from sitenet.train.supervised import RunInputs
from sitenet.train.transfer import TransferInputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

if not torch.cuda.is_available():  # before anything imports Triton, which reads it then
    os.environ.setdefault("TRITON_INTERPRET", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of values computed with the original implementations (see its README)."""
    return ROOT / "tests" / "data" / "reference"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of larger real data sets (SITENET_SHARED); tests that need it skip without it."""
    folder = Path(os.environ.get("SITENET_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("no folder of real data (SITENET_SHARED)")
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> "list[Figure]":
    """The figures drawn in a test, which are not written."""
    from sitenet.plots import style

    figures: list[Figure] = []
    monkeypatch.setattr(style, "save", lambda figure, pdf: figures.append(figure))
    return figures


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Tiny models: threads that wait for each other would cost more than they save."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _messages_reach_caplog() -> None:
    logging.getLogger("sitenet").propagate = True


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> RunInputs:
    """Of a supervised training."""
    return write_rock_salts(tmp_path_factory.mktemp("rock_salts"))


@pytest.fixture(scope="module")
def unlabelled(labelled: RunInputs) -> PretrainInputs:
    """Of a pre-training, on the same crystals."""
    given = labelled
    held_out = HeldOut(given.structures)
    return PretrainInputs(given.shards, given.split, held_out, given.features,
                          computed_of(given.shards))  # fmt: skip


@pytest.fixture(scope="module")
def few_labels(tmp_path_factory: pytest.TempPathFactory) -> TransferInputs:
    """Of a transfer: salts, most of whose labels are hidden."""
    return write_salts(tmp_path_factory.mktemp("salts"))
