"""Site-Net against the numbers of the original implementation (float64 and float32)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sitenet.crystal.merging import merge_pairs, unmerged
from sitenet.model.dense import DenseSiteNet
from sitenet.model.import_original import import_original, our_name
from sitenet.model.input_features import pair_features
from sitenet.model.sitenet import SiteNet
from sitenet.options.training import TrainingSettings
from sitenet.shards.batch import DenseBatch, RaggedBatch, dense_batch, ragged_batch
from sitenet.train.optimiser import make_optimiser

NAMES = ["crystit_NaCl", "crystit_TiO2_rutile", "sitenet_example_1", "crystit_SiO2_coesite",
         "pmg_SrTiO3"]  # fmt: skip
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
Crystals = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture(autouse=True)
def float32_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference's float64 runs read pair features that had been rounded to float32."""

    def rounded(kind: str, *pairs: torch.Tensor) -> torch.Tensor:
        return pair_features(kind, *pairs).float().to(pairs[2].dtype)

    monkeypatch.setattr("sitenet.model.input_features.pair_features", rounded)

    def together(features, kind, layers, sites, evaluations, distance):
        """`first_features` with these inputs, one step after the other."""
        row, column, first = evaluations
        inputs = rounded(kind, sites[0][row], sites[0][column], distance[first])
        return layers[0](features(*sites), None), layers[1](inputs, None)

    monkeypatch.setattr("sitenet.model.sitenet.first_features", together)


@pytest.fixture(scope="module")
def crystals(reference: Path) -> Crystals:
    loaded = []
    for name in NAMES:
        with np.load(reference / f"{name}_N50.npz") as file:
            loaded.append((file["prim_Z"], file["oxidation_state"], file["distances"]))
    return loaded


@pytest.fixture(scope="module")
def weights(reference: Path) -> Path:
    return reference / "model_seed0_state_dict.npz"


def outputs(reference: Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    name = "outputs_N50_f64.npz" if dtype == torch.float64 else "outputs_N50_f32.npz"
    with np.load(reference / name) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def engine(weights: Path, dtype: torch.dtype, cutoff: float | None = None) -> SiteNet:
    return import_original(weights, "nonnegative", cutoff=cutoff).to(dtype)


def dense(weights: Path, dtype: torch.dtype, cutoff: float | None = None) -> DenseSiteNet:
    model = engine(weights, dtype, cutoff)
    twin = DenseSiteNet(model.settings).to(dtype)
    twin.load_state_dict(model.state_dict())
    return twin


def merged(crystals: Crystals, dtype: torch.dtype) -> RaggedBatch:
    pairs = [merge_pairs(z, o, d, d.shape[1] // len(z), 1e-8) for z, o, d in crystals]
    parts = [(z, o, p) for (z, o, _), p in zip(crystals, pairs, strict=True)]
    return ragged_batch(parts).cast(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_dense_model_reproduces_every_intermediate(reference, crystals, weights, dtype):
    expected, trace = outputs(reference, dtype), {}
    model = dense(weights, dtype)
    batch = dense_batch(crystals, dtype)
    with torch.no_grad():
        prediction = model.decoder(model.crystals(batch, trace))[:, 0]
    kept = ~expected["attention_mask"]
    assert torch.equal(kept, ~batch.padding)
    names = {"site_embedding": "site_input", "interaction_embedding": "interaction_input"}
    stages = {"site": "site", "logits_premask": "logits", "attention": "attention",
              "interaction": "interaction"}  # fmt: skip
    for k in range(2):
        names |= {f"block{k}_{theirs}": f"{ours}{k}" for theirs, ours in stages.items()}
    del names["block1_interaction"]  # computed by the original, never used
    for theirs, ours in names.items():
        mask = kept if trace[ours].dim() == 3 else slice(None)
        torch.testing.assert_close(
            trace[ours][mask], expected[theirs][mask], rtol=0, atol=10 * TOLERANCE[dtype]
        )
    worst = (prediction - expected["prediction_raw"][:, 0]).abs().max()
    assert worst < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("cutoff", [None, 5.0])
def test_merged_model_reproduces_the_predictions(reference, crystals, weights, dtype, cutoff):
    key = "prediction_raw" if cutoff is None else "cutoff5_prediction_raw"
    expected = outputs(reference, dtype)[key][:, 0]
    model, batch = engine(weights, dtype, cutoff), merged(crystals, dtype)
    with torch.no_grad():
        raw = model.decoder(model.crystals(batch))[:, 0]
        clamped = model(batch)
    assert (raw - expected).abs().max() < TOLERANCE[dtype]
    torch.testing.assert_close(clamped, raw.clamp(min=0))
    twin = dense(weights, dtype, cutoff)
    with torch.no_grad():
        oracle = twin.decoder(twin.crystals(dense_batch(crystals, dtype)))[:, 0]
    assert (raw - oracle).abs().max() < TOLERANCE[dtype] / 10


@pytest.mark.parametrize("kind", ["merged", "dense"])
def test_gradients_and_one_optimiser_step(reference, crystals, weights, kind):
    with np.load(reference / "train_step_N50_f32.npz") as file:
        step = {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}
    model = (engine if kind == "merged" else dense)(weights, torch.float32).train()
    batch: RaggedBatch | DenseBatch = (
        merged(crystals, torch.float32)
        if kind == "merged"
        else dense_batch(crystals, torch.float32)
    )
    optimiser = make_optimiser(model, TrainingSettings())
    loss = (model(batch) - step["targets"]).abs().mean()
    loss.backward()
    assert abs(loss.item() - step["loss"].item()) < 1e-4
    parameters = dict(model.named_parameters())
    gradients = {our_name(k[5:]): v for k, v in step.items() if k.startswith("grad/")}
    assert gradients.keys() == parameters.keys()
    for name, expected in gradients.items():
        scale = max(1.0, expected.abs().max().item())
        assert (parameters[name].grad - expected).abs().max() < 1e-4 * scale, name
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert abs(norm.item() - step["total_grad_norm"].item()) < 1e-3
    optimiser.step()
    for name, expected in {k[6:]: v for k, v in step.items() if k.startswith("after/")}.items():
        if "Attention_Blocks.1.ije_to_Interaction" not in name:
            assert (parameters[our_name(name)] - expected).abs().max() < 1e-4, name


def test_long_range_coefficients(reference, crystals, weights):
    expected = outputs(reference, torch.float64)["long_range_coefficient_per_head"]
    model, batch = engine(weights, torch.float64), merged(crystals, torch.float64)
    attention: list[torch.Tensor] = []
    with torch.no_grad():
        model.crystals(batch, attention)
    crystal = batch.crystal[batch.pair_row]
    distance = batch.pair_distance.float().double()
    for k, weight in enumerate(attention):
        reach = weight / batch.pair_count[:, None] * distance[:, None]
        top = torch.zeros(5, 3, dtype=torch.float64)
        top = top.scatter_reduce(0, crystal[:, None].expand_as(reach), reach, "amax")
        assert (top - expected[k]).abs().max() < 1e-10


def test_parameters_are_those_of_table_1(weights):
    model = import_original(weights, "nonnegative")
    live = sum(p.numel() for p in model.parameters())
    assert live + 48 * 228 + 3 * 48 == 304_085  # the original also carries block 2's unused gI
    assert model.features.embedding.weight.numel() == 18_400


def test_merging_saves_pairs_and_changes_nothing(crystals, weights):
    model = engine(weights, torch.float64)
    whole = ragged_batch([(z, o, unmerged(z, o, d, d.shape[1] // len(z))) for z, o, d in crystals])
    few = merged(crystals, torch.float64)
    assert len(few.pair_row) < 0.5 * len(whole.pair_row)
    with torch.no_grad():
        assert (model(few) - model(whole)).abs().max() < 1e-12
