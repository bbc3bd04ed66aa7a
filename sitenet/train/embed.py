"""Representations of all crystals of shards by a pre-trained encoder and its untrained control."""

from collections.abc import Sequence
from pathlib import Path

from sitenet.files import read_json
from sitenet.model.description import memory_limit
from sitenet.model.inference import embed_in_batches
from sitenet.model.saving import load_model
from sitenet.options.model import ModelSettings
from sitenet.progress import log
from sitenet.shards.open_store import open_store
from sitenet.shards.vectors import write_vectors
from sitenet.train.devices import torch_device
from sitenet.train.pretrain import initial_encoder


def write_embeddings(
    weights: Path,
    description: Path,
    shards: Sequence[Path],
    trained: Path,
    untrained: Path,
    accelerator: str = "cpu",
) -> None:
    """Write Z of every crystal in `shards` by a pre-trained encoder and by its untrained control.

    The control has the weights that the pre-training began with. Crystals that take more memory
    than the pre-training allowed itself are streamed.
    """
    about = read_json(description)
    store = open_store(shards, None, memory_limit(description))
    store.to(torch_device(accelerator))
    control = initial_encoder(ModelSettings.from_dict(about["model"]), about["training"]["seed"])
    for encoder, path in ((load_model(weights, description), trained), (control, untrained)):
        write_vectors(path, store.ids, embed_in_batches(encoder, store))
    log.info(f"{trained.parent}: {len(store):,} crystals embedded by {weights.parent.name}")
