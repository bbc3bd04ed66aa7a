"""Trained models on disk: safetensors for the weights, JSON for everything else."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import nn

from sitenet.files import atomic_path, read_json, write_json
from sitenet.model.sitenet import SiteNet
from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings

HEAD = ("head_layers", "decoder", "label_shift", "label_scale")
"""Parts of a model that belong to a label; the rest is the encoder."""


def save_model(model: nn.Module, settings: ModelSettings, weights: Path, description: Path,
               **more: Any) -> None:  # fmt: skip
    """Write the weights and a JSON with key `model` (the settings) and `more`."""
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    with atomic_path(weights) as temporary:
        temporary.write_bytes(save(state))
    write_json(description, {"model": settings.to_dict(), **more})


def load_model(weights: Path, description: Path | None = None) -> SiteNet:
    """Read a model written by `save_model`, in evaluation mode on the CPU.

    `description` defaults to the JSON of the same name.

    Raises:
        RuntimeError: weights and settings do not fit together.
    """
    settings = read_json(description or Path(weights).with_suffix(".json"))["model"]
    model = SiteNet(ModelSettings.from_dict(settings))
    model.load_state_dict(load_file(weights))
    return model.eval()


def features_of(weights: Path) -> FeatureSettings:
    """How the training data of a model were featurised, from the JSON beside its weights."""
    return FeatureSettings(**read_json(weights.with_suffix(".json"))["features"])


def memory_limit(description: Path) -> int:
    """Bytes that the training of a model allowed itself for crystals.

    The default where the model was not trained here.
    """
    training = read_json(description).get("training", {})
    return round(training.get("memory_gib", TrainingSettings.memory_gib) * 2**30)


def load_encoder(model: SiteNet, weights: Path) -> None:
    """Load the encoder of a model written by `save_model` into `model`; its head is unchanged.

    Raises:
        ValueError: the encoders are not of the same architecture.
    """
    stored = ModelSettings.from_dict(read_json(Path(weights).with_suffix(".json"))["model"])
    of_head = {"head_layers", "output"}
    own, other = asdict(model.settings), asdict(stored)
    if differ := [name for name in own if own[name] != other[name] and name not in of_head]:
        changes = ", ".join(f"{name} is {other[name]}, not {own[name]}" for name in differ)
        raise ValueError(f"{weights} has another encoder: {changes}")
    encoder = {
        name: tensor
        for name, tensor in load_file(weights).items()
        if name.split(".")[0] not in HEAD
    }
    missing, unexpected = model.load_state_dict(encoder, strict=False)
    if unexpected or {name.split(".")[0] for name in missing} - set(HEAD):
        raise ValueError(f"{weights} does not hold an encoder: {[*missing, *unexpected]}")
