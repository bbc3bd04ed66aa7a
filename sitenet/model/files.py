"""Trained models on disk: safetensors for the weights, JSON for everything else."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from sitenet.files import atomic_path, read_json, write_json
from sitenet.model.ragged import SiteNet
from sitenet.model.settings import ModelSettings


def save_model(model: nn.Module, settings: ModelSettings, weights: Path, description: Path,
               **more: Any) -> None:  # fmt: skip
    """Write the weights and a JSON with key `model` (the settings) and `more`."""
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    with atomic_path(weights) as temporary:
        save_file(state, temporary)
    write_json(description, {"model": settings.to_dict(), **more})


def load_model(weights: Path, description: Path | None = None) -> SiteNet:
    """Read a model written by `save_model`, in evaluation mode on the CPU.

    `description` defaults to the JSON of the same name. Raises RuntimeError where weights and
    settings do not fit together.
    """
    settings = read_json(description or Path(weights).with_suffix(".json"))["model"]
    model = SiteNet(ModelSettings.from_dict(settings))
    model.load_state_dict(load_file(weights))
    return model.eval()
