"""What kills and bad disks leave behind: files half written, cut off, changed, of another version.

The kills themselves are in test_kills.py.
"""

import errno
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from rock_salts import MODEL, TRAINING, outputs
from safetensors.torch import load_file

from sitenet import files
from sitenet.crystal.featurise import featurise
from sitenet.files import atomic_path, write_text
from sitenet.options.features import FeatureSettings
from sitenet.shards.padding import Capacity
from sitenet.shards.schema import LISTS, SCALARS, open_writer, read_lists, to_table
from sitenet.sources.structure_table import iter_crystals, read_structures
from sitenet.structure.cif import Crystal
from sitenet.tables import DamagedTable, read_table, row_count, write_table
from sitenet.train import checkpoints
from sitenet.train.checkpoints import (
    CONTENT,
    LAST,
    PREVIOUS,
    Checkpoints,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from sitenet.train.supervised import RunInputs, train

COLUMNS = ("id", *SCALARS, *LISTS)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of 200 random crystals."""
    made = np.random.default_rng(0)
    crystals = [
        Crystal(np.diag(made.uniform(4, 6, 3)), made.integers(1, 90, 6), made.random((6, 3)),
                np.zeros(6), "")
        for _ in range(200)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("shard") / "part.parquet"
    with open_writer(path) as writer:
        merged = [featurise(crystal, FeatureSettings(n_atoms=30)) for crystal in crystals]
        writer.write_table(to_table([f"c{k}" for k in range(200)], merged))
    return path


def content(path: Path) -> list[np.ndarray]:
    return [array for group in read_lists(path, COLUMNS) for array in group.values()]


def test_a_changed_bit_of_a_shard_is_noticed(shard: Path, tmp_path: Path) -> None:
    """Nearly every byte of a shard belongs to a page, and pages have checksums."""
    whole, expected, changed = shard.read_bytes(), content(shard), tmp_path / "part.parquet"
    pages = pq.read_metadata(shard).row_group(0)
    start, end = pages.column(0).dictionary_page_offset, len(whole) - 8
    draw, noticed = random.Random(0), 0
    for _ in range(300):
        place = draw.randrange(start, end)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        changed.write_bytes(flipped)
        try:
            found = content(changed)
        except DamagedTable:
            noticed += 1
        else:  # a byte that says nothing about the data, such as of the statistics
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert noticed > 250


@pytest.mark.parametrize("left", [0.999, 0.5, 0.0])
def test_a_shard_that_was_cut_off_is_noticed(shard: Path, tmp_path: Path, left: float) -> None:
    cut = tmp_path / "part.parquet"
    cut.write_bytes(shard.read_bytes()[: int(left * shard.stat().st_size)])
    with pytest.raises(DamagedTable, match=r"part\.parquet is damaged .*delete it"):
        content(cut)


def test_a_shard_of_another_version_is_noticed(shard: Path, tmp_path: Path) -> None:
    other = tmp_path / "part.parquet"
    table = pq.read_table(shard)
    pq.write_table(table.replace_schema_metadata({"format": "sitenet shard 0"}), other)
    with pytest.raises(DamagedTable, match="another version of the format"):
        content(other)
    pq.write_table(table.drop_columns("oxidation"), other)
    with pytest.raises(DamagedTable, match="another version of the format"):
        content(other)


@pytest.mark.parametrize("read", [
    read_table, row_count, lambda path: read_structures(path, ["id"]),
    lambda path: list(iter_crystals(path)),
])  # fmt: skip
def test_a_damaged_table_is_noticed_by_every_reader(read, tmp_path: Path) -> None:
    path = tmp_path / "structures.parquet"
    write_table(path, pd.DataFrame({"id": [f"c{k}" for k in range(2000)]}))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedTable):
        read(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):  # absent, or no way to it: not damaged
        read(path)


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_clears_up(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    script = (
        "import os, sitenet.files\n"
        f"with sitenet.files.atomic_path({str(path)!r}) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_path(path) as other:  # one that lives and writes keeps its own
        other.write_text("other")
        subprocess.run([sys.executable, "-c", script], check=False)
        assert other.exists()
    write_text(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_text() == "new"


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_with_what_to_do_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match=r"no room in .*/run \(No space left on device\): free some"):
        write_text(tmp_path / "run" / "table.csv", "text")
    assert not list((tmp_path / "run").iterdir())


def test_a_full_disk_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def content(epochs: int) -> dict[str, object]:
        return dict.fromkeys(CONTENT) | {"rows": [{}] * epochs}

    for epochs in (1, 2, 3):
        save_checkpoint(content(epochs), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="no room"):
            save_checkpoint(content(4), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {LAST, PREVIOUS}
    newest = newest_checkpoint(tmp_path, "")
    assert newest == tmp_path / LAST
    assert len(read_checkpoint(newest)["rows"]) == 3


@pytest.mark.parametrize(
    "foreign", [{"epoch": 3, "state_dict": {}}, torch.zeros(3), Capacity(1, 2, 3, 4)]
)
def test_foreign_checkpoints_are_passed_over(
    foreign: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One of another version, one of something else, and one that would run code when loaded."""
    save_checkpoint(dict.fromkeys(CONTENT) | {"rows": [{}]}, tmp_path)
    (tmp_path / LAST).replace(tmp_path / PREVIOUS)
    torch.save(foreign, tmp_path / LAST)
    assert newest_checkpoint(tmp_path, "") == tmp_path / PREVIOUS
    assert "is damaged" in caplog.text
    assert not (tmp_path / LAST).exists()


@pytest.mark.parametrize("damaged", [[LAST], [LAST, PREVIOUS]])
def test_damaged_checkpoints_are_passed_over(
    labelled: RunInputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    damaged: list[str],
) -> None:
    train(labelled, outputs(tmp_path / "whole"), MODEL, TRAINING)
    killed_after(monkeypatch, 4)
    with pytest.raises(RuntimeError, match="killed"):
        train(labelled, outputs(tmp_path / "cut"), MODEL, TRAINING)
    monkeypatch.undo()
    for name in damaged:
        path = outputs(tmp_path / "cut").checkpoints / name
        path.write_bytes(path.read_bytes()[:-1000])
    with caplog.at_level("INFO", logger="sitenet"):
        train(labelled, outputs(tmp_path / "cut"), MODEL, TRAINING)
    assert caplog.text.count("is damaged") == len(damaged)
    assert ("continuing after epoch 3" in caplog.text) == (len(damaged) == 1)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_a_run_that_was_stopped_early_stays_stopped(
    labelled: RunInputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is killed after its last epoch, before its results are written."""
    settings = replace(TRAINING, learning_rate=0.3, max_epochs=40, patience=1)
    train(labelled, outputs(tmp_path / "whole"), MODEL, settings)
    epochs = len(pd.read_csv(tmp_path / "whole" / "history.csv"))
    assert epochs < 40
    killed_after(monkeypatch, epochs)
    with pytest.raises(RuntimeError, match="killed"):
        train(labelled, outputs(tmp_path / "cut"), MODEL, settings)
    monkeypatch.undo()
    train(labelled, outputs(tmp_path / "cut"), MODEL, settings)
    assert_same(tmp_path / "whole", tmp_path / "cut")


def killed_after(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    """Let a training end right after the checkpoint of its `epochs`-th epoch."""

    def save(content: dict, folder: Path) -> None:
        save_checkpoint(content, folder)
        if len(content["rows"]) == epochs:
            raise RuntimeError("killed")

    monkeypatch.setattr(checkpoints, "save_checkpoint", save)
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)


def assert_same(whole: Path, cut: Path) -> None:
    """Weights and history of two runs, but for the time they took."""
    weights = [load_file(folder / "model.safetensors") for folder in (whole, cut)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    histories = [
        pd.read_csv(folder / "history.csv").drop(columns=["seconds", "structures_per_second"])
        for folder in (whole, cut)
    ]
    pd.testing.assert_frame_equal(*histories)
