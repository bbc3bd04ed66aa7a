"""`sitenet import-checkpoint`: convert weights of the original implementation."""

from argparse import Namespace
from dataclasses import asdict

from sitenet.model.import_original import import_original
from sitenet.model.saving import save_model
from sitenet.options.features import FeatureSettings
from sitenet.progress import log


def run_import_checkpoint(options: Namespace) -> None:
    """Write a model that `sitenet predict` can use, with the features of the published code."""
    weights = options.weights
    model = import_original(options.source, options.output, options.cutoff)
    features = FeatureSettings(
        n_atoms=options.n, supercell="greedy", oxidation="given", missing_elements="drop"
    )
    save_model(model, model.settings, weights, weights.with_suffix(".json"),
               features=asdict(features),
               label={"column": None, "unit": options.unit})  # fmt: skip
    parameters = sum(p.numel() for p in model.parameters())
    log.info(f"{options.source}: {parameters:,} weights -> {weights}")
