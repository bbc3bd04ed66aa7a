"""The optimal supercell against exhaustive enumeration, the greedy one against the original."""

from pathlib import Path

import numpy as np
import pytest
from example_crystals import EXAMPLES, bench_crystals, crystal, primitive

from sitenet.crystal import supercell
from sitenet.crystal.distances import atom_distances
from sitenet.crystal.greedy_supercell import greedy_supercell, pymatgen_primitive
from sitenet.crystal.lattice_reduction import hermite, minkowski
from sitenet.crystal.supercell import cubicness, optimal_supercell
from sitenet.structure.cif import read_cif

REFERENCES = ["crystit_NaCl", "crystit_TiO2_rutile", "pmg_SrTiO3", "sitenet_example_1",
              "crystit_SiO2_coesite"]  # fmt: skip


def score(matrix, cell, n_atoms):
    images = abs(np.linalg.det(matrix))
    return images * len(cell.numbers) / n_atoms * cubicness(matrix @ cell.lattice)


def sublattices(cells):
    """All integer matrices of determinant `cells`, one for each sublattice."""
    for a in range(1, cells + 1):
        for b in range(1, cells // a + 1):
            if cells % (a * b) == 0:
                c = cells // (a * b)
                for x, y, z in np.ndindex(b, c, c):
                    yield np.array([[a, x, y], [0, b, z], [0, 0, c]])


def brute_force(cell, n_atoms):
    best = 0.0
    for cells in range(1, n_atoms // len(cell.numbers) + 1):
        for matrix in sublattices(cells):
            rows = matrix @ cell.lattice
            best = max(best, score(minkowski(rows @ rows.T) @ matrix, cell, n_atoms))
    return best


def random_cell(seed):
    """One atom in a cell of any shape: flat, long, skewed."""
    random = np.random.default_rng(seed)
    lattice = random.normal(size=(3, 3)) * random.uniform(0.5, 6.0, size=(3, 1)) + np.eye(3)
    return primitive(crystal(lattice, [6], [[0, 0, 0]]))


@pytest.mark.parametrize("seed", range(12))
def test_no_supercell_of_a_random_lattice_is_better(seed):
    cell = random_cell(seed)
    found = optimal_supercell(cell, 9)
    assert score(found.matrix, cell, 9) == pytest.approx(brute_force(cell, 9), rel=3e-5)


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_supercell_of_a_crystal_is_better(name):
    cell = primitive(EXAMPLES[name])
    n_atoms = 9 * len(cell.numbers) + 1
    found = optimal_supercell(cell, n_atoms)
    assert score(found.matrix, cell, n_atoms) == pytest.approx(brute_force(cell, n_atoms), rel=3e-5)


def long_cell(seed):
    """One atom in a cell with edges from 1 to 300 A, upright or skewed."""
    random = np.random.default_rng(seed)
    skew = np.tril(random.uniform(-0.7, 0.7, (3, 3)), -1) * random.integers(2)
    lattice = np.diag(10 ** random.uniform(0, 2.5, 3)) @ (np.eye(3) + skew)
    return primitive(crystal(lattice, [6], [[0, 0, 0]]))


@pytest.mark.parametrize("seed", range(24))
def test_no_supercell_of_a_long_or_flat_cell_is_better(seed):
    cell = long_cell(seed)
    n_atoms = 5 + seed % 7
    found = optimal_supercell(cell, n_atoms)
    best = brute_force(cell, n_atoms)
    assert score(found.matrix, cell, n_atoms) == pytest.approx(best, rel=3e-5)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("cell_of", [random_cell, long_cell])
def test_both_searches_find_supercells_of_one_score(cell_of, seed, monkeypatch):
    cell = cell_of(seed)
    one = optimal_supercell(cell, 20)
    monkeypatch.setattr(supercell, "MOST_VECTORS", 0)
    other = optimal_supercell(cell, 20)
    scores = [score(found.matrix, cell, 20) for found in (one, other)]
    assert scores[0] == pytest.approx(scores[1], rel=2e-5)
    assert one.images == other.images


@pytest.mark.parametrize(
    ("name", "n_atoms", "images"),
    [("rocksalt", 50, 25), ("rocksalt", 64, 32), ("rocksalt", 500, 250), ("perovskite", 50, 10)],
)
def test_cubic_crystals_fill_up(name, n_atoms, images):
    cell = primitive(EXAMPLES[name])
    found = optimal_supercell(cell, n_atoms)
    assert found.images == images
    assert len(cell.numbers) * images <= n_atoms


def test_a_cube_is_found_where_there_is_one():
    cell = primitive(EXAMPLES["rocksalt"])
    found = optimal_supercell(cell, 64)  # 2 x 2 x 2 conventional cells
    assert cubicness(found.matrix @ cell.lattice) == pytest.approx(1.0)
    assert found.keeps.all()


@pytest.mark.parametrize(
    ("name", "n_atoms", "kept"),
    [("rocksalt", 12, 8), ("rocksalt", 16, 16), ("perovskite", 24, 16), ("perovskite", 35, 6),
     ("hcp", 12, 4)],
)  # fmt: skip
def test_of_equally_good_supercells_the_most_symmetric_is_chosen(name, n_atoms, kept):
    """Against all sublattices, of which several with fewer operations have the best score, too."""
    cell = primitive(EXAMPLES[name])
    operations = {}
    for cells in range(1, n_atoms // len(cell.numbers) + 1):
        for matrix in sublattices(cells):
            rows = matrix @ cell.lattice
            value = score(minkowski(rows @ rows.T) @ matrix, cell, n_atoms)
            turned = matrix @ cell.rotations.transpose(0, 2, 1) @ np.linalg.inv(matrix)
            whole = (abs(turned - np.rint(turned)) < 1e-9).all(axis=(1, 2)).sum()
            operations.setdefault(round(value, 7), set()).add(int(whole))
    best = operations[max(operations)]
    assert max(best) == kept
    assert min(best) < kept
    assert optimal_supercell(cell, n_atoms).keeps.sum() == kept


@pytest.mark.parametrize("n_atoms", [1, 5, 9])
def test_large_cells_stay_as_they_are(n_atoms):
    cell = primitive(EXAMPLES["perovskite"])
    found = optimal_supercell(cell, n_atoms)
    assert found.images == 1
    assert found.keeps.all()


def test_kept_operations_map_the_supercell_onto_itself():
    for given in EXAMPLES.values():
        cell = primitive(given)
        found = optimal_supercell(cell, 40)
        turned = found.matrix @ cell.rotations.transpose(0, 2, 1) @ np.linalg.inv(found.matrix)
        whole = (abs(turned - np.rint(turned)) < 1e-9).all(axis=(1, 2))
        assert np.array_equal(whole, found.keeps)
        assert found.keeps.any()


def test_rows_are_a_reduced_basis():
    for seed in range(5):
        cell = random_cell(seed)
        rows = optimal_supercell(cell, 30).matrix @ cell.lattice
        reduced = minkowski(rows @ rows.T) @ rows
        np.testing.assert_allclose((reduced**2).sum(), (rows**2).sum(), rtol=1e-9)


def test_filling_and_shape_of_real_crystals(shared):
    for n_atoms, filling, shape in ((50, 0.96, 0.93), (500, 0.99, 0.98)):
        ours, theirs = [], []
        for given in bench_crystals(shared, every=2):
            cell = primitive(given)
            sites = len(cell.numbers)
            if sites > n_atoms:
                continue
            for results, matrix in (
                (ours, optimal_supercell(cell, n_atoms).matrix),
                (theirs, greedy_supercell(cell.lattice, sites, n_atoms)),
            ):
                images = abs(np.linalg.det(matrix))
                assert images * sites <= n_atoms + 1e-6
                results.append((images * sites / n_atoms, cubicness(matrix @ cell.lattice)))
        assert np.mean(ours, axis=0)[0] > filling
        assert np.mean(ours, axis=0)[1] > shape
        products = [np.prod(results, axis=1) for results in (ours, theirs)]
        assert (products[0] >= products[1] - 1e-5).all()


@pytest.fixture(params=REFERENCES)
def published(request, reference: Path):
    with np.load(reference / f"{request.param}_N50.npz") as file:
        arrays = {name: file[name] for name in file.files}
    text = (reference / "structures" / f"{request.param}.cif").read_text()
    return arrays, read_cif(text)


def test_greedy_matrices_equal_the_original(published):
    arrays, _ = published
    matrix = greedy_supercell(arrays["prim_lattice"], int(arrays["prim_size"]), 50)
    assert np.array_equal(matrix, arrays["scaling_matrix"])


def test_greedy_pipeline_equals_the_original_from_the_cif(published):
    arrays, given = published
    lattice, numbers, frac, _ = pymatgen_primitive(
        given.lattice, given.numbers, given.frac, np.zeros(len(given.numbers))
    )
    assert np.array_equal(numbers, arrays["prim_Z"])
    np.testing.assert_allclose(lattice, arrays["prim_lattice"], atol=1e-12)
    np.testing.assert_allclose(frac, arrays["prim_frac"], atol=1e-12)
    matrix = greedy_supercell(lattice, len(numbers), 50)
    assert np.array_equal(matrix, arrays["scaling_matrix"])
    distances = atom_distances(lattice, frac, matrix)
    np.testing.assert_allclose(np.sort(distances, axis=1), arrays["sorted_distances"], atol=1e-12)


@pytest.mark.parametrize(("n_atoms", "edges"), [(15, [1, 2, 2]), (16, [2, 2, 2])])
def test_a_greedy_supercell_may_have_exactly_n_atoms(n_atoms, edges):
    """Two atoms in a cube, edges grow one by one: 2 x 2 x 2 cells have 16 atoms."""
    found = greedy_supercell(4 * np.eye(3), sites=2, n_atoms=n_atoms)
    assert sorted(abs(found.diagonal())) == edges
    assert np.count_nonzero(found) == 3


def test_hermite_keeps_the_lattice():
    random = np.random.default_rng(0)
    for _ in range(50):
        rows = random.integers(-5, 6, (3, 3))
        if round(np.linalg.det(rows)) == 0:
            with pytest.raises(ValueError, match="plane"):
                hermite(rows)
            continue
        basis = hermite(rows)
        assert round(np.linalg.det(basis)) == abs(round(np.linalg.det(rows)))
        change = rows @ np.linalg.inv(basis)
        np.testing.assert_allclose(change, np.rint(change), atol=1e-9)
        assert np.array_equal(basis, np.triu(basis))
