"""What a model attends to in one crystal: tables that add up, atoms that are where they should."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from attention_models import FEATURES, merged_and_dense, saved_model
from example_crystals import EXAMPLES

from sitenet.analysis import raw_attention
from sitenet.analysis.explain import explain_crystal
from sitenet.analysis.explanation import Explanation, site_names
from sitenet.analysis.long_range import long_range_per_head
from sitenet.analysis.surroundings import attention_to, surroundings
from sitenet.cli import main
from sitenet.crystal.featurise import featurise
from sitenet.model.saving import load_model
from sitenet.options.features import FeatureSettings
from sitenet.shards.store import CrystalStore

NACL = """data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na Na 0 0 0
Cl Cl 0.5 0 0
"""


@pytest.fixture
def rutile(tmp_path: Path) -> Explanation:
    compare = tmp_path / "long_range.parquet"
    parts = ["train"] * 4 + ["test"]
    reach = [0.0, 0.0, 0.0, 99.0, 0.0]
    pd.DataFrame({"split": parts, "long_range_coefficient": reach}).to_parquet(compare)
    return explain_crystal(saved_model(tmp_path), featurise(EXAMPLES["rutile"], FEATURES), compare)


def test_shares_add_up_over_the_neighbours(rutile: Explanation) -> None:
    per_head = rutile.neighbours.groupby(["site", "block", "head"])
    assert len(per_head) == len(rutile.heads) == len(site_names(rutile.crystal)) * 2 * 2
    assert per_head.share.sum().to_numpy() == pytest.approx(1, abs=1e-5)
    assert (per_head.atoms.sum() == 6 * rutile.crystal.images).all()
    shares = rutile.heads[["self_share", "near_share", "far_share"]]
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    one = rutile.heads.iloc[0]
    rows = per_head.get_group((one.site, one.block, one["head"]))
    assert one.far_share == pytest.approx(rows.share[rows.distance > 5].sum())
    assert one.self_share == pytest.approx(rows.share[rows.distance == 0].item())
    assert rows.share.is_monotonic_decreasing


def test_coefficient_and_its_place_among_others(rutile: Explanation, tmp_path: Path) -> None:
    last = rutile.neighbours[rutile.neighbours.block == 2]
    reach = (last.weight * last.distance).groupby(last["head"]).max()
    assert rutile.long_range_coefficient == pytest.approx(reach.sum(), rel=1e-5)
    batch = CrystalStore.from_crystals([""], [rutile.crystal]).batch(torch.tensor([0]))
    with torch.no_grad():
        heads = long_range_per_head(load_model(tmp_path / "model.safetensors"), batch)
    assert rutile.long_range_coefficient == pytest.approx(float(heads[0, -1].sum()), rel=1e-5)
    assert (rutile.percentile, rutile.compared) == (75.0, 4)


def test_names_count_the_kinds_of_each_element() -> None:
    crystal = featurise(EXAMPLES["triclinic"], FEATURES)
    assert sorted(site_names(crystal)) == ["Fe1", "O1", "O2", "Si1"]
    rocksalt = featurise(EXAMPLES["rocksalt"], FEATURES)
    assert sorted(site_names(rocksalt)) == ["Cl1", "Na1"]


def test_first_shells_of_rocksalt(tmp_path: Path) -> None:
    """Na has 6 Cl at a / 2 along the axes and 12 Na at a / sqrt(2)."""
    crystal = featurise(EXAMPLES["rocksalt"], FeatureSettings(n_atoms=64))
    around = surroundings(crystal, "Na1")
    sodium = site_names(crystal).index("Na1")
    distance = np.linalg.norm(around.position, axis=1)
    np.testing.assert_allclose(distance, around.distance)
    assert (around.site_class[distance < 0.1] == sodium).all()
    for kind, length, atoms in ((1 - sodium, 5.64 / 2, 6), (sodium, 5.64 / 2**0.5, 12)):
        shell = abs(distance - length) < 1e-3
        assert (shell.sum(), set(around.site_class[shell])) == (atoms, {kind})
    chlorine = around.position[abs(distance - 2.82) < 1e-3]
    dots = chlorine @ chlorine.T / 2.82**2  # an octahedron
    assert {round(float(dot), 6) + 0.0 for dot in dots.ravel()} == {-1.0, 0.0, 1.0}
    with pytest.raises(ValueError, match="no site K1; the crystal has"):
        surroundings(crystal, "K1")


@pytest.mark.parametrize("name", ["rutile", "triclinic", "hcp", "perovskite"])
def test_every_atom_around_a_site_has_its_weight(name: str, tmp_path: Path) -> None:
    crystal = featurise(EXAMPLES[name], FEATURES)
    found = explain_crystal(saved_model(tmp_path), crystal)
    for site in site_names(crystal):
        around = surroundings(crystal, site)
        weight = attention_to(found, around, site, block=2, head=1)
        table = found.neighbours.query(f"site == '{site}' and block == 2 and head == 1")
        for row in table.itertuples():
            kind = site_names(crystal).index(row.neighbour)
            here = (around.site_class == kind) & (abs(around.distance - row.distance) < 1e-3)
            assert here.sum() >= row.atoms  # more where an atom is equally near twice
            assert weight[here] == pytest.approx(row.weight)


@pytest.mark.parametrize("name", ["rutile", "triclinic", "hcp", "perovskite", "rocksalt"])
def test_raw_attention_is_that_of_the_dense_model(name: str, tmp_path: Path) -> None:
    settings = FeatureSettings(n_atoms=50, oxidation="given")
    found = explain_crystal(saved_model(tmp_path), featurise(EXAMPLES[name], settings))
    table = raw_attention.every_pair(found)
    _, (distance, attention) = merged_and_dense([EXAMPLES[name]], 50)
    np.testing.assert_allclose(table.distance, distance, atol=1e-6)
    heads = table.filter(like="_head").to_numpy().reshape(len(table), 2, 2)
    np.testing.assert_allclose(heads, attention, rtol=2e-3, atol=1e-6)
    assert table.groupby("site").block2_head1.sum().to_numpy() == pytest.approx(1, abs=1e-5)
    itself = table[table.distance == 0]
    assert (itself.kind == itself.atom_kind).all()
    assert itself.site.tolist() == list(range(1, len(found.crystal.numbers) + 1))
    places = table[["x", "y", "z"]].to_numpy()
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), distance, atol=1e-6)
    # from another site the same atom is where the sites' places say, but for supercell vectors
    axes = found.crystal.supercell @ found.crystal.lattice
    at = table.set_index(["site", "atom"])[["x", "y", "z"]]
    own = [int(k) for k in itself.atom]
    for site in range(2, len(own) + 1):
        apart = at.loc[1] - at.loc[1, own[site - 1]] - at.loc[site]
        turns = apart.to_numpy() @ np.linalg.inv(axes)
        np.testing.assert_allclose(turns, np.rint(turns), atol=1e-6)


def test_command_writes_tables_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = saved_model(tmp_path)
    cif = tmp_path / "salt.cif"
    cif.write_text(NACL)
    out = tmp_path / "out"
    assert main(["explain", str(weights), str(cif), "--out", str(out)]) == 0
    names = ["_heads.csv", "_neighbours.csv", ".pdf", ".png"]
    assert sorted(p.name for p in out.iterdir()) == sorted(f"salt_attention{n}" for n in names)
    table = pd.read_csv(out / "salt_attention_neighbours.csv")
    nearest = table[(table.site == "Na1") & (table.neighbour == "Cl1")]
    nearest = nearest[nearest.distance == nearest.distance.min()]
    assert nearest.distance.to_numpy() == pytest.approx(2.82)
    assert (nearest.atoms == 6).all()

    assert main(["explain", str(weights), str(cif), "--out", str(out), "--raw"]) == 0
    raw = pd.read_parquet(out / "salt_attention_raw.parquet")
    assert raw.columns[-1] == "block2_head2"
    assert raw.atom.nunique() == len(raw) // 2 == table.groupby("site").atoms.sum().iloc[0] // 4
    assert main(["explain", str(weights), str(cif), "--out", str(out), "--site", "K1"]) == 1
    assert "there is no site K1; the crystal has Na1, Cl1" in capsys.readouterr().err
    cif.write_text("data_nothing\n")
    assert main(["explain", str(weights), str(cif), "--out", str(out)]) == 2
