"""Representations of crystals by an encoder, without noise."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sitenet.files import read_json
from sitenet.model.layers import segment_mean
from sitenet.model.saving import load_model
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings
from sitenet.progress import log
from sitenet.shards.batch import RaggedBatch
from sitenet.shards.packing import pack
from sitenet.shards.store import CrystalStore
from sitenet.shards.vectors import write_vectors
from sitenet.train.pretrain import initial_encoder

BATCH_SITES = 1200


def embed(encoder: SiteNet, store: CrystalStore, local: bool = False) -> NDArray[np.float32]:
    """Z (n, crystal_width) of all crystals of `store`, on its device.

    With `local` the mean of each crystal's local representations, (n, local_width), instead.
    """
    device = store.device
    encoder = encoder.to(device).eval()
    width = encoder.local_width if local else encoder.crystal_width
    vectors = np.empty((len(store), width), dtype=np.float32)
    with torch.inference_mode():
        for chosen in pack(store.sites.numpy(), BATCH_SITES, None):
            batch = store.batch(torch.from_numpy(chosen))
            found = _local_means(encoder, batch) if local else encoder.crystals(batch)
            vectors[chosen] = found.cpu().numpy()
    return vectors


def _local_means(encoder: SiteNet, batch: RaggedBatch) -> Tensor:
    return segment_mean(encoder.sites(batch), batch.site_weight, batch.crystal, batch.sizes)


def write_embeddings(
    weights: Path,
    description: Path,
    shards: Sequence[Path],
    trained: Path,
    untrained: Path,
    accelerator: str = "cpu",
) -> None:
    """Write Z of every crystal in `shards` by a pre-trained encoder and by its untrained control.

    The control has the weights that the pre-training began with.
    """
    about = read_json(description)
    store = CrystalStore.from_shards(shards)
    store.to("cuda" if accelerator in ("gpu", "cuda") else "cpu")
    control = initial_encoder(ModelSettings.from_dict(about["model"]), about["training"]["seed"])
    for encoder, path in ((load_model(weights, description), trained), (control, untrained)):
        write_vectors(path, store.ids, embed(encoder, store))
    log.info(f"{trained.parent}: {len(store):,} crystals embedded by {weights.parent.name}")
