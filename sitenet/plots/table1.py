"""Table 1 of doi:10.1039/d3dd00005b, with the settings of trained models."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sitenet.files import atomic_path, read_json


class Option(NamedTuple):
    """One row: the key of the value in a model's description, and the values of the paper."""

    name: str
    section: str
    key: str
    searched: str
    published: str


OPTIONS = (
    Option("atoms in a supercell (N)", "features", "n_atoms", "", "50, 100, 500"),
    Option("element embedding size", "model", "embedding_size", "1 to 128", "92"),
    Option("site features per head", "model", "site_features_per_head", "4 to 32", "30"),
    Option("interaction features per head", "model", "interaction_features_per_head", "4 to 32",
           "16 (printed: 12, which does not fit μ = 48)"),
    Option("attention heads", "model", "heads", "1 to 8", "3"),
    Option("attention blocks", "model", "blocks", "1 to 3", "2"),
    Option("attention weights network (gW)", "model", "attention_layers",
           "0 to 3 layers of 32 to 256", "225"),
    Option("pre-pooling network", "model", "pre_pool_layers", "1 to 4 layers of 32 to 256", "94"),
    Option("post-pooling network", "model", "post_pool_layers", "1 to 4 layers of 32 to 256",
           "200, 200, 200"),
    Option("head network", "model", "head_layers", "", "none"),
    Option("interaction features", "model", "interaction_features", "", "distance_coulomb"),
    Option("activation up to the local representation", "model", "local_activation", "", "mish"),
    Option("width of the local representation", "model", "local_size", "", "none: that of a site"),
    Option("normalisation", "model", "norm", "layer, batch, none", "layer"),
    Option("pooling", "model", "pooling", "mean, max, self_attention", "mean"),
    Option("attention cutoff (Å)", "model", "cutoff", "", "none; 5 for one model"),
    Option("site feature scaling", "model", "site_feature_scaling", "", "raw"),
    Option("geometry of sites among their features", "model", "site_geometry", "", "no"),
    Option("Gaussians of the distance", "model", "distance_basis", "", "none"),
    Option("channels of the sum over near atoms", "model", "filtered_sum", "", "none"),
    Option("radius of this sum (Å)", "model", "filtered_sum_cutoff", "", "none"),
    Option("residual blocks", "model", "residual", "", "no"),
    Option("composition reference", "model", "composition_reference", "", "no"),
    Option("numbers learned beside", "model", "auxiliary", "", "none"),
    Option("trained again on all crystals", "training", "refit", "", "no"),
    Option("random strain", "training", "strain", "", "none"),
    Option("output", "model", "output", "", "nonnegative for the band gap, else linear"),
    Option("training crystals", "training", "train_size", "", "none: all"),
    Option("batch size (unique sites)", "training", "batch_sites", "", "1200"),
    Option("learning rate", "training", "learning_rate", "5e-5 to 1e-2 (log)", "0.000812"),
    Option("weight decay", "training", "weight_decay", "", "0.0001"),
    Option("AMSGrad", "training", "amsgrad", "", "yes"),
    Option("epsilon of AdamW", "training", "eps", "", "1e-07"),
    Option("gradient norm clipped at", "training", "gradient_clip", "", "1"),
    Option("learning rate schedule", "training", "schedule", "", "constant"),
    Option("label scaling", "training", "label_scaling", "", "none"),
    Option("largest number of epochs", "training", "max_epochs", "", "stopped by hand"),
)  # fmt: skip
"""Searched and published values of the paper; values that it does not state are from its code."""


def write_table1(models: Sequence[tuple[str, Path]], csv_path: Path, markdown: Path) -> None:
    """Write a row for each option: searched range, published value, and the value of each model.

    `models`: names, which are the column headings, and descriptions (model.json) with the sections
    `model`, `training` and `features`. Raises KeyError if a description lacks an option.
    """
    descriptions = [read_json(path) for _, path in models]
    head = ["option", "searched in the paper", "published", *(name for name, _ in models)]
    rows = [
        [
            option.name,
            option.searched,
            option.published,
            *(_text(_value(description, option)) for description in descriptions),
        ]
        for option in OPTIONS
    ]
    with atomic_path(csv_path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    with atomic_path(markdown) as temporary:
        lines = [head, ["---"] * len(head), *rows]
        temporary.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))


def _value(description: Mapping[str, Any], option: Option) -> Any:
    return description[option.section][option.key]


def _text(value: Any) -> str:
    """A setting as text, with yes and no for booleans and commas in lists."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)
