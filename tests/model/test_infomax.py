"""Deep InfoMax: what the losses mean, and that the false samples are what they are called."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from example_crystals import EXAMPLES
from infomax_examples import MODEL, batches, generator, model
from torch import Tensor, nn

from sitenet.model.infomax.deep_infomax import DeepInfoMax
from sitenet.model.infomax.false_samples import (
    changed,
    derangement,
    donor_pairs,
    donor_rows,
    with_species,
)
from sitenet.model.layers import segment_mean
from sitenet.model.sitenet import SiteNet
from sitenet.options.infomax import FALSE_SAMPLES, InfoMaxSettings
from sitenet.shards.batch import RaggedBatch


@pytest.fixture(scope="module")
def everyone() -> tuple[RaggedBatch, RaggedBatch]:
    return batches(list(EXAMPLES))


def test_a_score_of_zero_gives_two_ln_two_at_both_levels(everyone):
    dim = model()
    for level in (dim.local_level, dim.global_level):
        nn.init.zeros_(level.upscale_z[-1].norm.weight)
        nn.init.zeros_(level.upscale_z[-1].norm.bias)
    losses = dim(*everyone, generator())
    assert losses.local_score.item() == pytest.approx(2 * math.log(2), abs=1e-12)
    assert losses.global_score.item() == pytest.approx(2 * math.log(2), abs=1e-12)


@pytest.mark.parametrize(
    ("weighting", "variance"),
    [("uniform", "linear"), ("inverse_square", "linear"), ("uniform", "vector")],
)
def test_two_crystals_by_hand(weighting, variance):
    """The whole loss by plain loops over sites and atoms, given the draws."""
    settings = InfoMaxSettings(
        upscaling_layers=(10, 16), local_weighting=weighting, variance=variance, beta=0.3
    )
    dim = model(settings)
    if variance == "vector":
        for level in (dim.local_level, dim.global_level):
            nn.init.normal_(level.log_variance.vector)
    merged, apart = batches(["rutile", "perovskite"])
    losses = dim(merged, apart, generator(1))
    with torch.no_grad():
        expected = by_hand(dim, merged, apart, generator(1), weighting)
    for name, value in expected.items():
        assert getattr(losses, name).item() == pytest.approx(value, abs=1e-10), name
    score = expected["local_score"] + expected["global_score"]
    divergence = expected["local_kl"] + expected["global_kl"]
    assert losses.total.item() == pytest.approx(score + 0.3 * divergence, abs=1e-10)


def by_hand(
    dim: DeepInfoMax, merged: RaggedBatch, apart: RaggedBatch, draws: torch.Generator, weighting
) -> dict[str, float]:
    z = dim.encoder.sites(merged)
    noise = torch.randn(z.shape, generator=draws, dtype=z.dtype)
    donors = derangement(2, draws)
    rows = donor_rows(merged, donors, draws)
    matched = donor_pairs(merged, rows, draws)
    features = dim.features(merged.numbers, merged.oxidation)

    def atoms(row: int, what: str) -> list[tuple[Tensor, float]]:
        """(features, distance) of every supercell atom that a site of this class sees."""
        out = []
        for pair in range(int(merged.row_offsets[row]), int(merged.row_offsets[row + 1])):
            other = int(matched[pair])
            of = other if what == "composition" else pair
            at = other if what == "polymorph" else pair
            one = (features[merged.pair_column[of]], float(merged.pair_distance[at]))
            out += [one] * int(merged.pair_count[pair])
        return out

    def term(level, u, constituents, sign: float, weights) -> float:
        total = 0.0
        for c, w in zip(constituents, weights, strict=True):
            score = float(u @ level.upscale_c(c[None], torch.ones(1))[0])
            total += w * math.log1p(math.exp(sign * score))
        return total / sum(weights)

    def environment(u, row: int, what: str, sign: float) -> float:
        seen_atoms = atoms(row, what)
        weights = [1 / (1 + d) ** 2 if weighting == "inverse_square" else 1 for _, d in seen_atoms]
        points = [torch.cat([x, torch.tensor([d], dtype=x.dtype)]) for x, d in seen_atoms]
        return term(dim.local_level, u, points, sign, weights)

    def upscaled(level, vector, draw) -> tuple[Tensor, float]:
        own = level.log_variance
        constant = getattr(own, "vector", None)
        log_variance = vector @ own.weight.T + own.bias if constant is None else constant
        u = level.upscale_z((vector + (log_variance / 2).exp() * draw)[None], torch.ones(1))[0]
        return u, float((vector**2 + log_variance.exp() - log_variance).mean())

    local, local_kl = [0.0, 0.0], [0.0, 0.0]
    for row in range(len(z)):
        u, divergence = upscaled(dim.local_level, z[row], noise[row])
        false = environment(u, row, "polymorph", 1) + environment(u, row, "composition", 1)
        false += environment(u, int(rows[row]), "true", 1)
        crystal = int(merged.crystal[row])
        share = float(merged.site_weight[row] / merged.sizes[crystal])
        local[crystal] += share * (environment(u, row, "true", -1) + false / 3)
        local_kl[crystal] += share * divergence

    z_sites = dim.encoder.sites(apart)
    crystals = segment_means(dim, z_sites, apart)
    noise = torch.randn(crystals.shape, generator=draws, dtype=z.dtype)
    donors = derangement(2, draws)
    swapped = dim.encoder.sites(with_species(apart, donors, draws))
    permuted = with_species(apart, torch.arange(2), draws)
    assert changed(apart, permuted).all()
    shuffled = dim.encoder.sites(permuted)
    whole, whole_kl = [], []
    for k in range(2):
        u, divergence = upscaled(dim.global_level, crystals[k], noise[k])

        def against(vectors: Tensor, crystal: int, sign: float, u=u) -> float:
            points = list(vectors[apart.crystal == crystal])
            return term(dim.global_level, u, points, sign, [1.0] * len(points))

        other = 1 - k
        false = [against(z_sites, other, 1), against(swapped, k, 1), against(swapped, other, 1)]
        false.append(against(shuffled, k, 1))
        whole.append(against(z_sites, k, -1) + sum(false) / 4)
        whole_kl.append(divergence)
    return {
        "local_score": sum(local) / 2,
        "local_kl": sum(local_kl) / 2,
        "global_score": sum(whole) / 2,
        "global_kl": sum(whole_kl) / 2,
    }


def segment_means(dim: DeepInfoMax, z: Tensor, apart: RaggedBatch) -> Tensor:
    """Z of each crystal from its sites, one at a time."""
    out = []
    for k in range(len(apart.sizes)):
        rows = dim.encoder.pre_pool(z[apart.crystal == k], torch.ones(1))
        out.append(dim.encoder.post_pool(rows.mean(0, keepdim=True), torch.ones(1))[0])
    return torch.stack(out)


def test_the_gradient_is_cut_between_the_levels(everyone):
    dim = model()
    losses = dim(*everyone, generator())
    (losses.global_score + losses.global_kl).backward()
    above = ("pre_pool", "post_pool")
    for name, parameter in dim.encoder.named_parameters():
        touched = parameter.grad is not None and bool(parameter.grad.any())
        assert touched == name.startswith(above) or name.startswith(("head_layers", "decoder"))
    assert all(p.grad is None for p in dim.local_level.parameters())
    dim.zero_grad()
    losses = dim(*everyone, generator())
    (losses.local_score + losses.local_kl).backward()
    for name, parameter in dim.encoder.named_parameters():
        if name.startswith((*above, "head_layers", "decoder")):
            assert parameter.grad is None
        elif not name.endswith(("logits.bias", "attention.0.norm.bias")):  # cancel in the softmax
            assert parameter.grad.any(), name


def test_a_batch_of_one_crystal_has_no_donor():
    losses = model()(*batches(["rutile"]), generator())
    assert losses.local_score == 0
    assert losses.global_score > 0  # its permutation is still false
    assert torch.isfinite(losses.total)
    losses = model()(*batches(["diamond"]), generator())  # one species: nothing to permute
    assert losses.global_score == 0


def test_alpha_and_beta_weigh_the_terms(everyone):
    settings = InfoMaxSettings(upscaling_layers=(10, 16), alpha=2.0, beta=0.5)
    losses = model(settings)(*everyone, generator())
    score = losses.local_score + losses.global_score
    expected = 2 * score + 0.5 * (losses.local_kl + losses.global_kl)
    torch.testing.assert_close(losses.total, expected)


@pytest.mark.parametrize("kinds", [("other_crystal",), ("polymorph",), ("composition",)], ids=str)
def test_each_kind_of_false_sample_can_stand_alone(everyone, kinds):
    settings = InfoMaxSettings(upscaling_layers=(10, 16), false_samples=kinds)
    one = model(settings)(*everyone, generator())
    every = model()(*everyone, generator())
    assert torch.isfinite(one.total)
    assert one.local_score != every.local_score
    assert one.global_score != every.global_score


def test_the_settings_are_checked():
    with pytest.raises(ValueError, match="polymorf"):
        InfoMaxSettings(false_samples=("polymorf",))
    with pytest.raises(ValueError, match="not only permutation"):
        InfoMaxSettings(false_samples=("permutation",))
    settings = InfoMaxSettings(false_samples=FALSE_SAMPLES[:2])
    assert InfoMaxSettings.from_dict(settings.to_dict()) == settings


# Encoders


def test_sites_apart_give_the_same_representations(everyone):
    merged, apart = everyone
    encoder = model().encoder
    z, z_apart = encoder.sites(merged), encoder.sites(apart)
    torch.testing.assert_close(encoder.crystals(merged), encoder.crystals(apart), rtol=1e-9,
                               atol=1e-9)  # fmt: skip
    assert len(z_apart) == merged.sizes.sum() > len(z)


class Graph(nn.Module):
    """A small crystal-graph network: gated sums over neighbours within 5 A."""

    local_width, crystal_width = 6, 5

    def __init__(self) -> None:
        super().__init__()
        self.element = nn.Embedding(100, 6)
        self.gate, self.core = nn.Linear(13, 6), nn.Linear(13, 6)
        self.out = nn.Linear(6, 5)

    def sites(self, batch: RaggedBatch) -> Tensor:
        """(R, 6)."""
        own = self.element(batch.numbers)
        near = ((batch.pair_distance > 0) & (batch.pair_distance < 5)).nonzero()[:, 0]
        i, j = batch.pair_row[near], batch.pair_column[near]
        pair = torch.cat([own[i], own[j], batch.pair_distance[near][:, None]], 1)
        message = torch.sigmoid(self.gate(pair)) * F.softplus(self.core(pair))
        return own.index_add(0, i, message * batch.pair_count[near][:, None])

    def crystal_vectors(
        self, sites: Tensor, site_weight: Tensor, crystal: Tensor, sizes: Tensor
    ) -> Tensor:
        """(B, 5)."""
        return self.out(F.softplus(segment_mean(sites, site_weight, crystal, sizes)))


@pytest.mark.parametrize(("encoder", "rate"), [("sitenet", 2e-3), ("graph", 1e-2)])
def test_both_losses_fall_below_what_an_untaught_score_gives(everyone, encoder, rate):
    torch.manual_seed(0)
    network = SiteNet(MODEL) if encoder == "sitenet" else Graph()
    dim = DeepInfoMax(network, InfoMaxSettings(upscaling_layers=(16, 16))).double()
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.AdamW(dim.parameters(), lr=rate)
    draws = generator()
    for _ in range(300):
        optimiser.zero_grad()
        dim(*everyone, draws).total.backward()
        optimiser.step()
    with torch.no_grad():
        last = [dim(*everyone, generator(100 + seed)) for seed in range(10)]
    for name in ("local_score", "global_score"):
        assert np.mean([getattr(losses, name) for losses in last]) < 1.3 < 2 * math.log(2)
    assert any(not torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_a_learned_variance_is_the_same_for_all_crystals_and_learns(everyone):
    dim = model(InfoMaxSettings(upscaling_layers=(10, 16), variance="vector"))
    for level in (dim.local_level, dim.global_level):
        vectors = torch.randn(5, dim.encoder.local_width if level is dim.local_level else 7)
        assert level.log_variance(vectors.double()).unique(dim=0).shape[0] == 1
    dim(*everyone, generator()).total.backward()
    for level in (dim.local_level, dim.global_level):
        assert (level.log_variance.vector.grad != 0).all()


def test_draws_come_from_the_generator_alone(everyone):
    dim = model()
    first, again, other = (dim(*everyone, generator(seed)).total for seed in (1, 1, 2))
    assert first == again != other


def test_float32_agrees_with_float64(everyone):
    merged, apart = everyone
    dim = model()
    double = dim(merged, apart, generator(3))
    single = DeepInfoMax(SiteNet(MODEL), dim.settings)
    single.load_state_dict(dim.state_dict())
    kl = single(merged.cast(torch.float32), apart.cast(torch.float32), generator(3)).local_kl
    # noise is drawn in the batch's precision, the KL terms do not depend on it
    torch.testing.assert_close(kl.double(), double.local_kl, rtol=1e-4, atol=1e-4)
