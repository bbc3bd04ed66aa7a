"""Trained models on disk: safetensors for the weights, JSON for everything else."""

from dataclasses import asdict
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from sitenet.files import atomic_path, write_json
from sitenet.model.description import UnusableModel, read_description
from sitenet.model.sitenet import SiteNet
from sitenet.options.model import ModelSettings

HEAD = ("head_layers", "decoder", "label_shift", "label_scale", "element_reference",
        "auxiliary_decoder")  # fmt: skip
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

    `description` defaults to the JSON of the same name. A model that is larger than the file of its
    weights is never made.

    Raises:
        UnusableModel: a file is missing, damaged or of another program, the two do not belong
            together, or a weight is not a finite number.
    """
    weights = Path(weights)
    shapes = _shapes(weights)
    settings = read_description(weights, description).model
    if _fewest_weights(settings) > sum(map(prod, shapes.values())):
        raise UnusableModel(
            f"{weights} is smaller than its description says: the two do not belong together"
        )
    model = SiteNet(settings)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    _compare(weights, shapes, expected)
    model.load_state_dict(_read_weights(weights))
    return model.eval()


def load_encoder(model: SiteNet, weights: Path) -> None:
    """Load the encoder of a model written by `save_model` into `model`; its head is unchanged.

    Raises:
        UnusableModel: the file is missing, damaged or of another program.
        ValueError: the encoders are not of the same architecture.
    """
    stored = read_description(weights).model
    of_head = {"head_layers", "output", "composition_reference", "auxiliary"}
    own, other = asdict(model.settings), asdict(stored)
    if differ := [name for name in own if own[name] != other[name] and name not in of_head]:
        changes = ", ".join(f"{name} is {other[name]}, not {own[name]}" for name in differ)
        raise ValueError(f"{weights} has another encoder: {changes}")
    encoder = {
        name: tensor
        for name, tensor in _read_weights(weights).items()
        if name.split(".")[0] not in HEAD
    }
    missing, unexpected = model.load_state_dict(encoder, strict=False)
    if unexpected or {name.split(".")[0] for name in missing} - set(HEAD):
        raise ValueError(f"{weights} does not hold an encoder: {[*missing, *unexpected]}")


def _fewest_weights(settings: ModelSettings) -> int:
    """Weights of all linear layers but the smallest of a model with these settings."""
    pair, site = settings.pair_width, settings.site_width
    block = (pair, *settings.attention_layers, settings.heads)
    crystal = (settings.local_width, *settings.pre_pool_layers, *settings.post_pool_layers,
               *settings.head_layers, 1)  # fmt: skip
    in_block = pair * settings.site_features_per_head + sum(a * b for a, b in pairwise(block))
    following = pair * settings.interaction_width + site**2
    inputs = settings.embedding_size * (200 + site) + 2 * settings.interaction_width
    last = site * (settings.local_size or site)
    whole = sum(a * b for a, b in pairwise(crystal)) + inputs + last
    return whole + settings.blocks * in_block + (settings.blocks - 1) * following


def _shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor of a safetensors file, of which only the header is read."""
    if weights.is_dir():
        raise UnusableModel(f"{weights} is a folder: give its file model.safetensors")
    if not weights.is_file():
        raise UnusableModel(f"{weights} does not exist")
    try:
        with safe_open(weights, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UnusableModel(
            f"{weights} is no safetensors file, or damaged ({error}): copy or train it anew"
        ) from None


def _compare(
    weights: Path, found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]
) -> None:
    """Raise UnusableModel unless a file has the tensors that its description implies."""
    problems = [
        *(f"{name} is missing" for name in expected if name not in found),
        *(f"{name} is unknown" for name in found if name not in expected),
        *(
            f"{name} has the shape {found[name]}, not {shape}"
            for name, shape in expected.items()
            if found.get(name, shape) != shape
        ),
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UnusableModel(
            f"{weights} is not a Site-Net as its description says ({'; '.join(problems[:3])}{more}"
            "): is it of another program, or beside the JSON of another model?"
        )


def _read_weights(weights: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises UnusableModel unless all are finite numbers."""
    _shapes(weights)  # for its messages
    with safe_open(weights, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise UnusableModel(
                f"{weights}: {name} holds values that are not finite numbers; train the model anew"
            )
    return tensors
