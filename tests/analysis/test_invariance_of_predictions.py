"""Predictions do not depend on how a crystal is described; the supercells that make it so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from attention_models import saved_model
from example_crystals import EXAMPLES, bench_crystals
from matplotlib.figure import Figure
from structure_tables import write_structures

from sitenet.analysis.equivalent_descriptions import CHANGES
from sitenet.analysis.invariance import write_invariance
from sitenet.analysis.supercell_rules import TOLERANCE, summarise_invariance, summarise_supercells
from sitenet.analysis.supercells import write_supercells
from sitenet.plots.invariance import draw_invariance
from sitenet.plots.supercells import draw_supercells
from sitenet.structure.cif import Crystal


def changes_of(crystals: dict[str, Crystal], folder: Path, count: int = 1000) -> pd.DataFrame:
    structures = write_structures(folder / "structures.parquet", crystals)
    out = folder / "changes.parquet"
    write_invariance(saved_model(folder), structures, list(crystals), count, out)
    return pd.read_parquet(out)


def pair_distances(crystal: Crystal) -> np.ndarray:
    """Sorted distances up to 6 A between atoms of each two elements: no description matters."""
    # a column of the inverse has the length of one layer's inverse thickness
    far = np.ceil(6 * np.linalg.norm(np.linalg.inv(crystal.lattice), axis=0)).astype(int) + 1
    cells = np.array(list(np.ndindex(*(2 * far + 1)))) - far
    apart = crystal.frac[:, None, None] - crystal.frac[None, :, None] - cells
    apart = np.linalg.norm(apart @ crystal.lattice, axis=-1)
    product = (crystal.numbers[:, None] * crystal.numbers)[:, :, None] + 0 * apart
    near = apart < 6
    return np.sort(apart[near] + 100 * product[near])


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_description_is_of_the_same_crystal(change: str) -> None:
    random = np.random.default_rng(0)
    for name in ("triclinic", "rutile", "hcp"):
        given = EXAMPLES[name]
        other = CHANGES[change](given, random)
        np.testing.assert_allclose(pair_distances(other), pair_distances(given), atol=1e-8)
        same = [np.array_equal(getattr(given, k), getattr(other, k)) for k in vars(given)]
        assert not all(same)
    handed = np.linalg.det(other.lattice) * np.linalg.det(given.lattice)
    assert handed > 0  # never a mirror image


def test_predictions_of_examples_do_not_change(tmp_path: Path) -> None:
    changes = changes_of(EXAMPLES, tmp_path)
    assert len(changes) == len(EXAMPLES) * 2 * len(CHANGES)
    ours = changes[changes.supercell == "optimal"]
    assert ours.prediction.nunique() == len(EXAMPLES)
    assert ours.delta.abs().max() < 2e-6
    theirs = changes[(changes.supercell == "greedy") & (changes.change == "lattice vectors")]
    assert (theirs.delta.abs() > TOLERANCE).any()


def test_predictions_of_real_crystals_do_not_change(shared: Path, tmp_path: Path) -> None:
    crystals = {f"c{k}": c for k, c in enumerate(bench_crystals(shared, every=6))}
    changes = changes_of(crystals, tmp_path)
    table = summarise_invariance(changes).set_index(["supercell", "change"])
    assert (table.crystals == len(crystals)).all()
    assert table.largest["optimal"].max() < 2e-5
    assert (table.changed_share["optimal"] == 0).all()
    assert table.changed_share["greedy", "lattice vectors"] > 0.2


def test_chosen_crystals_are_the_same_every_time(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        found.append(changes_of(EXAMPLES, tmp_path, count=3))
    assert found[0].id.nunique() == 3
    pd.testing.assert_frame_equal(*found)
    structures = tmp_path / "structures.parquet"
    with pytest.raises(ValueError, match="none of the requested crystals"):
        write_invariance(tmp_path / "model.safetensors", structures, ["absent"], 3,
                         tmp_path / "none.parquet")  # fmt: skip


def test_summary_and_figure_of_known_changes(tmp_path: Path, drawn: list[Figure]) -> None:
    table = pd.DataFrame(
        {
            "id": ["a", "b"] * 8,
            "supercell": ["optimal"] * 8 + ["greedy"] * 8,
            "change": np.repeat([*CHANGES, *CHANGES], 2),
            "prediction": 1.0,
            "delta": [0.0] * 8 + [0.0, -0.5] + [0.0, 1e-5] * 3,
        }
    )
    table.to_parquet(tmp_path / "changes.parquet")
    runs = [("gap", "eV", tmp_path / "changes.parquet")]
    draw_invariance(runs, tmp_path / "f.pdf", tmp_path / "f.parquet", tmp_path / "f.csv")
    measured = pd.read_csv(tmp_path / "f.csv").set_index(["supercell", "change"])
    bad = measured.loc["greedy", "lattice vectors"]
    assert (bad.crystals, bad.largest, bad["mean"], bad.changed_share) == (2, 0.5, 0.25, 0.5)
    assert measured.changed_share.sum() == 0.5
    axes = drawn[0].axes[0]
    assert axes.get_ylabel() == "|change of\nprediction| (eV)"
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CHANGES)
    sizes = np.concatenate([c.get_offsets()[:, 1] for c in axes.collections])
    assert (len(sizes), sizes.max(), sizes.min()) == (16, 0.5, 1e-8)


def test_supercells_of_known_shape(tmp_path: Path) -> None:
    """Rocksalt has 2 sites and a cubic supercell of 64 atoms; rutile has 6 sites."""
    chosen = {name: EXAMPLES[name] for name in ("rocksalt", "rutile", "layers")}
    structures = write_structures(tmp_path / "structures.parquet", chosen)
    write_supercells(structures, 64, 10, 0.01, tmp_path / "cells.parquet")
    cells = pd.read_parquet(tmp_path / "cells.parquet").set_index(["id", "supercell"])
    assert len(cells) == 6
    salt = cells.loc["rocksalt", "optimal"]
    assert (salt.n_sites, salt.images, salt.filling) == (2, 32, 1.0)
    assert salt.cubicness == pytest.approx(1)
    assert salt.elongation == pytest.approx(1)
    for row in cells.itertuples():
        assert row.n_sites * row.images == pytest.approx(row.filling * 64)
    ours, theirs = (cells.xs(rule, level="supercell") for rule in ("optimal", "greedy"))
    score = ours.filling * ours.cubicness - theirs.filling * theirs.cubicness
    assert (score > -1e-5).all()
    assert score.max() > 0.01


def test_too_large_cells_are_counted_but_not_compared(tmp_path: Path, drawn: list[Figure]) -> None:
    structures = write_structures(tmp_path / "structures.parquet", EXAMPLES)
    write_supercells(structures, 5, 100, 0.01, tmp_path / "cells.parquet")
    cells = pd.read_parquet(tmp_path / "cells.parquet")
    rutile = cells[(cells.id == "rutile") & (cells.supercell == "optimal")]
    assert (rutile.images.item(), rutile.filling.item()) == (1, 1.2)
    table = summarise_supercells(cells).set_index("supercell")
    assert table.crystals.tolist() == [len(EXAMPLES) - 1] * 2
    assert table.loc["optimal", "mean_filling"] <= 1
    sets = [("examples", 5, tmp_path / "cells.parquet")]
    draw_supercells(sets, tmp_path / "f.pdf", tmp_path / "f.parquet", tmp_path / "f.csv")
    assert len(drawn) == 1
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == 2 * len(EXAMPLES)
    assert pd.read_csv(tmp_path / "f.csv").run.tolist() == ["examples"] * 2
