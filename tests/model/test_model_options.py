"""Every option of Table 1: the merged engine equals the dense reference, gradients included."""

import numpy as np
import pytest
import torch

from sitenet.crystal.merging import merge_pairs
from sitenet.model.dense import DenseSiteNet
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.shards.batch import DenseBatch, RaggedBatch, dense_batch, ragged_batch

SMALL = {"embedding_size": 5, "site_features_per_head": 4, "interaction_features_per_head": 3,
         "heads": 2, "attention_layers": (7,), "pre_pool_layers": (6,),
         "post_pool_layers": (8, 5)}  # fmt: skip
OPTIONS = [
    {},
    {"norm": "batch"},
    {"norm": "none"},
    {"pooling": "max"},
    {"pooling": "self_attention"},
    {"cutoff": 3.5},
    {"cutoff": 3.5, "norm": "batch"},
    {"attention_layers": ()},
    {"attention_layers": (7, 6)},
    {"blocks": 1},
    {"blocks": 3, "norm": "batch", "pooling": "self_attention"},
    {"pre_pool_layers": (), "post_pool_layers": ()},
    {"heads": 1, "site_feature_scaling": "dim"},
    {"embedding_size": 0, "heads": 1, "blocks": 1, "interaction_features": "distance"},
    {"local_activation": "relu", "local_size": 5, "head_layers": (6, 4)},
    {"residual": True, "blocks": 3},
    {"residual": True, "blocks": 3, "norm": "batch"},
    {"composition_reference": True},
    {"distance_basis": 6, "filtered_sum": 5, "filtered_sum_cutoff": 5.0},
    {"filtered_sum": 5, "cutoff": 3.5},
    {"filtered_sum": 5, "cutoff": 3.5, "norm": "batch"},
    {"filtered_sum": 5, "residual": True, "blocks": 3, "norm": "batch"},
]


def rocksalt(edge: float, cells: int) -> np.ndarray:
    """Minimum-image distances (2, 2 cells^3) of a rock-salt supercell, images contiguous."""
    primitive = edge / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=float)
    steps = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 3)
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3) * cells
    atoms = np.concatenate([steps @ primitive, steps @ primitive + [edge / 2, 0, 0]])
    images = atoms[:, None] + shifts @ primitive
    return np.stack([
        np.linalg.norm(images - atoms[k * len(steps)], axis=-1).min(1) for k in range(2)
    ])  # fmt: skip


@pytest.fixture(scope="module")
def batches() -> tuple[DenseBatch, RaggedBatch]:
    random = np.random.default_rng(0)
    crystals = [(np.array([11, 17]), np.array([1.0, -1.0]), rocksalt(5.64, 2)),
                (np.array([12, 8]), np.array([2.0, -2.0]), rocksalt(4.21, 3))]  # fmt: skip
    points = random.normal(size=(4, 3)) * 2  # one cell without any symmetry
    lone = np.linalg.norm(points[:, None] - points, axis=-1)
    crystals.append((np.array([8, 8, 26, 1]), np.zeros(4), lone))
    merged = [(z, o, merge_pairs(z, o, d, d.shape[1] // len(z), 1e-9)) for z, o, d in crystals]
    return dense_batch(crystals), ragged_batch(merged)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_merged_equals_dense(batches, options, training):
    torch.manual_seed(1)
    settings = ModelSettings(**(SMALL | options))
    dense = DenseSiteNet(settings).double().train(training)
    if settings.composition_reference:
        dense.element_reference.normal_()
    merged = SiteNet(settings).double().train(training)
    merged.load_state_dict(dense.state_dict())
    outputs, gradients = [], []
    for model, batch in zip((dense, merged), batches, strict=True):
        outputs.append(model(batch))
        outputs[-1].square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-11, atol=1e-11)
    assert outputs[0].std() > 1e-4  # the crystals are told apart
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-9, atol=1e-10, msg=name)
    for name, buffer in dense.named_buffers():
        torch.testing.assert_close(
            dict(merged.named_buffers())[name], buffer, rtol=1e-10, atol=1e-12
        )


def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match="pooling must be one of"):
        ModelSettings(pooling="sum")


def test_settings_survive_json():
    settings = ModelSettings(attention_layers=(32, 64), cutoff=5.0)
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.to_dict().items()}
    assert ModelSettings.from_dict(values) == settings
