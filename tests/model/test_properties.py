"""Random crystals: the merged engine is the dense reference, whatever the crystal and its order."""

from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from brute_force_types import assert_right_types
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from merging_error import largest_error
from pair_block_cases import case

from sitenet.crystal.distances import atom_distances
from sitenet.crystal.featurise import featurise
from sitenet.crystal.merging import merge_pairs
from sitenet.model import kernels
from sitenet.model import sitenet as engine
from sitenet.model.dense import DenseSiteNet
from sitenet.model.evaluations import Evaluations
from sitenet.model.pair_block import PairWeights, pair_block
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import dense_batch, ragged_batch
from sitenet.structure.cif import Crystal

TOLERANCE = 1e-5
SMALL = ModelSettings(embedding_size=3, site_features_per_head=3, interaction_features_per_head=2,
                      heads=2, attention_layers=(5,), pre_pool_layers=(4,), post_pool_layers=(6,)
                      )  # fmt: skip
PATHS = ("plain", "compiled")
CONTRAST = Crystal(np.diag([4.1, 4.1, 5.3]), np.array([38, 22, 8]),
                   np.array([[0, 0, 0], [0.5, 0.5, 0.47], [0.5, 0, 0.1]]), np.array([2.0, 4, -2])
                   )  # fmt: skip

quick = settings(max_examples=25, deadline=None, derandomize=True)
numbers = st.sampled_from([1, 6, 8, 8, 11, 26, 57, 94])
oxidations = st.sampled_from([0.0, 0.0, -2.0, 1.0, 8 / 3])


@st.composite
def crystals(draw, most=4):
    """Cubic to triclinic and skewed cells of 1 to `most` sites, special or general positions.

    Atoms are at least 0.5 A apart; the volume of an atom is that of a dense to a very open solid.
    """
    sites = draw(st.integers(1, most))
    special = draw(st.booleans())
    grid = draw(st.sampled_from([2, 4, 6])) if special else 997
    point = st.tuples(*[st.integers(0, grid - 1)] * 3)
    frac = np.array(draw(st.lists(point, min_size=sites, max_size=sites, unique=True))) / grid
    edges = np.array([draw(st.sampled_from([1.0, 1.0, 1.3, 2.7])) for _ in range(3)])
    tilts = [draw(st.sampled_from([0.0, 0.0, -0.5, 0.37])) for _ in range(3)]
    lattice = np.array([[1, 0, 0], [tilts[0], 1, 0], [tilts[1], tilts[2], 1]]) * edges[:, None]
    # another basis of the same lattice, up to very skewed ones
    skew = np.eye(3, dtype=int)
    skew[0, 1], skew[1, 2] = draw(st.integers(-3, 3)), draw(st.integers(-3, 3))
    volume = draw(st.sampled_from([5.0, 16.0, 80.0]))
    lattice *= (volume * sites / np.linalg.det(lattice)) ** (1 / 3)
    frac = frac @ np.linalg.inv(skew) % 1.0
    z = np.array([draw(numbers) for _ in range(sites)])
    charge = {(element, k): draw(oxidations) for element in set(z.tolist()) for k in range(2)}
    oxidation = np.array([charge[element, k % 2] for k, element in enumerate(z.tolist())])
    crystal = Crystal(skew @ lattice, z, frac, oxidation)
    near = atom_distances(crystal.lattice, crystal.frac, 2 * np.eye(3, dtype=int))
    assume(np.sort(near, axis=1)[:, 1].min() > 0.5)
    return crystal


def tables(crystal, n_atoms=24, noise=None):
    """numbers, oxidation, distances (P, A) and merged pairs, of a noisy structure if asked for."""
    found = featurise(crystal, FeatureSettings(n_atoms=n_atoms, oxidation="given"))
    distances = atom_distances(found.lattice, found.frac, found.supercell)
    if noise is None:
        return found.numbers, found.oxidation, distances, found
    size, seed = noise
    shift = np.random.default_rng(seed).choice([-size, 0.0, size], distances.shape)
    distances = np.where(distances > 0, distances + shift, 0.0)
    merged = merge_pairs(found.numbers, found.oxidation, distances, found.images, TOLERANCE)
    return found.numbers, found.oxidation, distances, merged


@contextmanager
def path(name):
    """Make the engine take the plain or the compiled pair block."""
    if name == "compiled" and kernels.load() is None:
        pytest.skip("no C++ compiler")
    chosen = None if name == "plain" else kernels.load()
    with patch.object(engine, "fast_path", lambda device: chosen):
        yield


def models(seed=0, **changes):
    """The engine and the reference with the same float64 weights."""
    torch.manual_seed(seed)
    chosen = replace(SMALL, **changes)
    engine, reference = SiteNet(chosen).double(), DenseSiteNet(chosen).double()
    reference.load_state_dict(engine.state_dict())
    return engine, reference


def outputs(model, batch):
    """Crystal vectors and labels, and all gradients of a sum over them."""
    vectors = model.crystals(batch)
    labels = model.head(vectors, batch)
    loss = vectors.sin().sum() + labels.sum()
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    held = [g.ravel() for g in gradients if g is not None]
    return vectors.detach(), labels.detach(), torch.cat(held)


def assert_same(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        scale = max(1.0, float(other.abs().max()))
        assert float((one - other).abs().max()) <= tolerance * scale


CUTOFF = 4.037  # no distance of special positions, which merging may shift across it
CHANGES = [{}, {"norm": "batch"}, {"cutoff": CUTOFF, "pooling": "max"}]


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("changes", CHANGES)
@given(chosen=st.lists(crystals(), min_size=1, max_size=3))
@quick
def test_engine_is_the_dense_reference(name, changes, chosen):
    # Of crystals that are all alike, batch norm would show the rounding: it divides by 0 + 1e-5.
    chosen = [*chosen, CONTRAST] if "norm" in changes else chosen
    parts = [tables(crystal) for crystal in chosen]
    engine, reference = models(**changes)
    expected = outputs(reference, dense_batch([part[:3] for part in parts]))
    with path(name):
        merged = ragged_batch([(z, charge, pairs) for z, charge, _, pairs in parts])
        assert_same(outputs(engine, merged), expected, 1e-9)


@given(
    crystal=crystals(),
    noise=st.sampled_from([0.3, 0.499, 0.5, 0.501, 0.999, 1.0, 1.001, 2.5]),
    seed=st.integers(0, 9),
)
@quick
def test_distances_at_the_edge_of_the_tolerance(crystal, noise, seed):
    """Distances that nearly agree: merged or not, nothing moves by more than twice the tolerance.

    The label follows: it is that of the dense reference on the distances as they are, to what
    such a shift can change.
    """
    z, charge, distances, merged = tables(crystal, noise=(noise * TOLERANCE, seed))
    images = distances.shape[1] // len(z)
    assert largest_error(merged, distances, images) <= 2 * TOLERANCE * (1 + 1e-6)
    assert merged.pair_count.sum() == len(merged.row_length) * distances.shape[1]
    assert ((merged.pair_distance == 0) == (merged.pair_distance < TOLERANCE)).all()
    engine, reference = models()
    with torch.no_grad():
        expected = reference(dense_batch([(z, charge, distances)]))
        torch.testing.assert_close(
            engine(ragged_batch([(z, charge, merged)])), expected, rtol=0, atol=100 * TOLERANCE
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(chosen=st.lists(crystals(), min_size=1, max_size=3))
@quick
def test_pairs_of_a_type_are_those_alike_in_a_crystal(dtype, chosen):
    parts = [tables(crystal) for crystal in chosen]
    batch = ragged_batch([(z, charge, pairs) for z, charge, _, pairs in parts]).cast(dtype)
    assert_right_types(batch)


@given(chosen=st.lists(crystals(), min_size=2, max_size=3), seed=st.integers(0, 99))
@quick
def test_order_of_sites_and_of_crystals_does_not_matter(chosen, seed):
    random = np.random.default_rng(seed)
    engine, _ = models()
    straight, turned = [], []
    for crystal in chosen:
        z, charge, distances, merged = tables(crystal)
        order, images = random.permutation(len(z)), distances.shape[1] // len(z)
        columns = (order[:, None] * images + np.arange(images)).ravel()
        again = merge_pairs(
            z[order], charge[order], distances[order][:, columns], images, TOLERANCE
        )  # fmt: skip
        straight.append((z, charge, merged))
        turned.append((z[order], charge[order], again))
    order = random.permutation(len(chosen)).tolist()
    with torch.no_grad():
        expected = engine.crystals(ragged_batch(straight))
        found = engine.crystals(ragged_batch([turned[k] for k in order]))
    torch.testing.assert_close(found, expected[order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PATHS)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=3),
    widths=st.tuples(st.integers(2, 5), st.integers(2, 3), st.integers(0, 3)),
    heads=st.integers(1, 2),
    masked=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_gradients_of_the_pair_block(name, lengths, widths, heads, masked, seed):
    assume(sum(lengths) > 0 and widths[2] != 1)  # the norm of one channel is constant
    tensors, pairs = case(lengths, widths, 3, heads, masked, seed)
    if name == "compiled" and kernels.load() is None:
        pytest.skip("no C++ compiler")
    block = kernels.load() if name == "compiled" else pair_block

    def function(*leaves):
        weights = PairWeights(*leaves[3:], widths)
        results = block(*leaves[:3], weights, pairs, Evaluations.of_pairs(pairs))[:2]
        return tuple(result for result in results if result is not None)

    leaves = [tensor.requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(function, leaves, atol=1e-6, rtol=1e-4)
