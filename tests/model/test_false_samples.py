"""False samples differ from the true ones in just what they claim."""

import pytest
import torch
from example_crystals import EXAMPLES
from infomax_examples import batches, generator, species

from sitenet.model.infomax.false_samples import (
    changed,
    derangement,
    donor_pairs,
    donor_rows,
    seen,
    with_species,
)
from sitenet.shards.batch import RaggedBatch


@pytest.fixture(scope="module")
def everyone() -> tuple[RaggedBatch, RaggedBatch]:
    return batches(list(EXAMPLES))


@pytest.mark.parametrize("size", [2, 3, 10])
def test_donors_are_others_and_each_is_asked_once(size):
    for seed in range(20):
        donors = derangement(size, generator(seed))
        assert sorted(donors.tolist()) == list(range(size))
        assert (donors != torch.arange(size)).all()


def test_a_false_environment_mixes_what_it_says(everyone):
    batch, _ = everyone
    donors = derangement(len(batch.sizes), generator(1))
    rows = donor_rows(batch, donors, generator(2))
    assert torch.equal(batch.crystal[rows], donors[batch.crystal])
    matched = donor_pairs(batch, rows, generator(3))
    assert torch.equal(batch.pair_row[matched], rows[batch.pair_row])
    itself = batch.pair_distance == 0
    assert torch.equal(itself, batch.pair_distance[matched] == 0)


def test_donor_pairs_are_drawn_by_their_number_of_atoms():
    batch, _ = batches(["rutile", "perovskite"])
    rows = torch.zeros(len(batch.numbers), dtype=torch.int64)  # every class asks the first one
    count = torch.zeros(len(batch.pair_row))
    for seed in range(400):
        matched = donor_pairs(batch, rows, generator(seed))
        count += torch.bincount(matched, minlength=len(count))
    pair, _ = seen(batch, torch.tensor([0]))
    others = pair[batch.pair_distance[pair] > 0]
    share = count[others] / count[others].sum()
    expected = batch.pair_count[others] / batch.pair_count[others].sum()
    torch.testing.assert_close(share.double(), expected, atol=0.02, rtol=0)
    assert count[batch.pair_row != 0].sum() == 0


def test_a_random_site_of_the_donor_is_any_of_its_sites():
    batch, _ = batches(["rutile", "perovskite"])  # classes of 2 + 4 and of 1 + 1 + 3 sites
    count = torch.zeros(len(batch.numbers))
    donors = torch.tensor([1, 0])
    for seed in range(600):
        rows = donor_rows(batch, donors, generator(seed))
        count += torch.bincount(rows, minlength=len(count))
    for k in range(2):
        mine = batch.crystal == k
        share = (count[mine] / count[mine].sum()).double()
        torch.testing.assert_close(
            share, batch.site_weight[mine] / batch.sizes[k], atol=0.03, rtol=0
        )


def test_a_permutation_keeps_structure_and_composition(everyone):
    _, sites = everyone
    number = torch.arange(len(sites.sizes))
    moved = torch.zeros(len(number), dtype=torch.bool)
    for seed in range(10):
        permuted = with_species(sites, number, generator(seed))
        for k in number.tolist():
            assert species(permuted, k) == species(sites, k)
        for name in ("pair_row", "pair_column", "pair_distance", "pair_count", "sizes"):
            assert getattr(permuted, name) is getattr(sites, name)
        moved |= changed(sites, permuted)
    several = [len(set(species(sites, k))) > 1 for k in number.tolist()]
    assert moved.tolist() == several


def test_a_false_composition_keeps_the_structure_and_takes_the_donors_species(everyone):
    _, sites = everyone
    donors = derangement(len(sites.sizes), generator(4))
    for seed in range(10):
        false = with_species(sites, donors, generator(seed))
        assert false.pair_distance is sites.pair_distance
        for k, donor in enumerate(donors.tolist()):
            given, wanted = species(false, k), species(sites, donor)
            assert set(given) <= set(wanted)
            for one in set(wanted):  # its share of the sites, but for rounding
                share = wanted.count(one) / len(wanted) * len(given)
                assert abs(given.count(one) - share) < 1
                if share == round(share):
                    assert given.count(one) == share
