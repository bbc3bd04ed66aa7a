"""A model that reads the geometry of sites: engine and dense reference, files, and clear errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from example_crystals import EXAMPLES
from rock_salts import FEATURES, MODEL, TRAINING, outputs, write_rock_salts
from salt_cif import salt

from sitenet import Predictor
from sitenet.analysis.explain import explain_crystal
from sitenet.crystal.distances import atom_distances
from sitenet.crystal.featurise import featurise
from sitenet.crystal.site_geometry import CHANNELS
from sitenet.files import read_json, write_json
from sitenet.model.dense import DenseSiteNet
from sitenet.model.description import UnusableModel
from sitenet.model.inference import predict
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.infomax import InfoMaxSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import PretrainingSettings
from sitenet.shards.batch import dense_batch, ragged_batch
from sitenet.shards.padding import Capacity, padded
from sitenet.shards.store import CrystalStore
from sitenet.structure.cif import read_cif
from sitenet.train.pretrain import PretrainInputs, PretrainOutputs, pretrain
from sitenet.train.supervised import RunInputs, train

SETTINGS = FeatureSettings(n_atoms=40, oxidation="given", site_geometry=True)
OPTIONS = [{}, {"norm": "batch"}, {"attention_layers": (7, 6)}, {"cutoff": 3.5},
           {"embedding_size": 0, "site_feature_scaling": "dim"}]  # fmt: skip
SMALL = {"embedding_size": 5, "site_features_per_head": 4, "interaction_features_per_head": 3,
         "attention_layers": (7,), "pre_pool_layers": (6,), "post_pool_layers": (8, 5),
         "site_geometry": True}  # fmt: skip
READING = replace(MODEL, site_geometry=True)


@pytest.fixture(scope="module")
def crystals():
    return [featurise(crystal, SETTINGS) for crystal in EXAMPLES.values()]


def both(options: dict) -> tuple[DenseSiteNet, SiteNet]:
    torch.manual_seed(1)
    settings = ModelSettings(**(SMALL | options))
    dense, engine = DenseSiteNet(settings).double(), SiteNet(settings).double()
    engine.load_state_dict(dense.state_dict())
    return dense, engine


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_merged_equals_dense(crystals, options):
    dense, engine = both(options)
    every = dense_batch(
        [(c.numbers, c.oxidation, atom_distances(c.lattice, c.frac, c.supercell))
         for c in crystals],
        geometry=[c.geometry[c.site_class] for c in crystals],
    )  # fmt: skip
    merged = ragged_batch([(c.numbers, c.oxidation, c) for c in crystals],
                          [c.geometry for c in crystals])  # fmt: skip
    outputs, gradients = [], []
    for model, batch in ((dense, every), (engine, merged)):
        outputs.append(model(batch))
        outputs[-1].square().sum().backward()
        gradients.append(model.site_input.linear.weight.grad)
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-7)  # distances are merged within 1e-5
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)
    assert (gradients[1][:, -len(CHANNELS) :].abs().max(0).values > 0).all()


def test_pair_types_tell_surroundings_apart():
    """Two oxygen atoms alike but for their surroundings: what the first block sees differs."""
    crystal = featurise(EXAMPLES["triclinic"], SETTINGS)
    given = [(crystal.numbers, crystal.oxidation, crystal)]
    blind, seeing = ragged_batch(given), ragged_batch(given, [crystal.geometry])
    assert len(seeing.type_first) > len(blind.type_first)
    row, column = seeing.pair_row, seeing.pair_column
    of = seeing.type_first[seeing.pair_type]
    for sites in (row, column):
        assert torch.equal(seeing.geometry[sites], seeing.geometry[sites[of]])


def test_the_store_gives_the_batches_of_crystals_in_memory(crystals):
    store = CrystalStore.from_crystals(list(EXAMPLES), crystals)
    expected = ragged_batch([(c.numbers, c.oxidation, c) for c in crystals],
                            [c.geometry for c in crystals]).cast(torch.float32)  # fmt: skip
    found = store.batch(torch.arange(len(crystals)))
    for name, tensor in vars(expected).items():
        torch.testing.assert_close(getattr(found, name), tensor, msg=name)
    _, engine = both({})
    alone = [engine.float()(one) for one in store.batches([torch.tensor([k]) for k in range(7)])]
    torch.testing.assert_close(torch.cat(alone), engine(found), rtol=1e-4, atol=1e-5)


def test_padding_changes_no_prediction(crystals):
    store = CrystalStore.from_crystals(list(EXAMPLES), crystals)
    batch = store.batch(torch.arange(len(crystals)))
    _, engine = both({})
    engine.float()
    room = Capacity(len(batch.numbers) + 5, len(batch.pair_row) + 9, len(batch.sizes) + 2,
                    len(batch.type_first) + 3)  # fmt: skip
    found = engine(padded(batch, room))[: len(crystals)]
    torch.testing.assert_close(found, engine(batch), rtol=1e-4, atol=1e-5)


def test_crystals_without_geometry_are_refused():
    plain = featurise(EXAMPLES["rutile"], replace(SETTINGS, site_geometry=False))
    store = CrystalStore.from_crystals(["rutile"], [plain])
    with pytest.raises(ValueError, match=r"lack: featurise them with features\.site_geometry"):
        both({})[1].float()(store.batch(torch.tensor([0])))


def test_a_trained_model_reads_it_wherever_it_is_applied(tmp_path: Path):
    """Its description says how crystals are featurised."""
    inputs = write_rock_salts(tmp_path, replace(FEATURES, site_geometry=True))
    train(inputs, outputs(tmp_path), READING, replace(TRAINING, max_epochs=2))
    weights = tmp_path / "model.safetensors"
    model = load_model(weights)
    assert model.site_input.linear.in_features == 4 + 9 + len(CHANNELS)
    texts = {"salt": salt(), "other": salt("K", "Br", 6.6)}
    crystals = [featurise(read_cif(text), inputs.features) for text in texts.values()]
    store = CrystalStore.from_crystals(list(texts), crystals)
    expected = predict(model, store)
    predictor = Predictor.load(weights)
    np.testing.assert_allclose(predictor.predict(texts).prediction, expected, rtol=1e-5)
    assert predictor.embed(texts).iloc[:, 3:].notna().all(axis=None)
    explained = explain_crystal(weights, crystals[0])
    assert explained.prediction == pytest.approx(expected[0], rel=1e-5)

    content = read_json(weights.with_suffix(".json"))
    content["features"]["site_geometry"] = False
    write_json(weights.with_suffix(".json"), content)
    with pytest.raises(UnusableModel, match=r"model\.site_geometry is true, but features"):
        Predictor.load(weights)


def test_a_training_on_shards_without_says_so(labelled: RunInputs, tmp_path: Path):
    with pytest.raises(ValueError, match="lack: featurise them with"):
        train(labelled, outputs(tmp_path), READING, replace(TRAINING, max_epochs=1))


def test_no_encoder_is_pretrained_with_it(unlabelled: PretrainInputs, tmp_path: Path):
    with pytest.raises(ValueError, match=r"some: model\.site_geometry must be false: false sample"):
        pretrain(unlabelled, PretrainOutputs(*[tmp_path / name for name in "abcdef"]),
                 ModelSettings(site_geometry=True), InfoMaxSettings(), PretrainingSettings(),
                 label="some")  # fmt: skip
