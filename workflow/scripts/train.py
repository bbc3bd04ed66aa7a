"""Train one model; evaluate it on every labelled crystal."""

from pathlib import Path

from job import accelerator, checkpoints, job

from sitenet.options.features import FeatureSettings
from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.splits.held_out import HeldOut, evaluations
from sitenet.train.supervised import RunInputs, RunOutputs, train

with job(snakemake):
    names = snakemake.wildcards
    held_out = HeldOut(
        Path(snakemake.input.structures),
        tested=evaluations(snakemake.input.tested_structures, snakemake.input.tested_splits),
    )
    train(
        RunInputs(
            structures=Path(snakemake.input.labels),
            shards=tuple(map(Path, snakemake.input.shards)),
            split=Path(snakemake.input.split),
            column=names.task,
            unit=snakemake.params.task["unit"],
            features=FeatureSettings(**snakemake.params.features),
            held_out=held_out,
            auxiliary=tuple(map(Path, snakemake.input.auxiliary)),
            computed_targets=tuple(map(Path, snakemake.input.computed_targets)),
            encoder=next(map(Path, snakemake.input.encoder), None),
        ),
        RunOutputs(
            weights=Path(snakemake.output.weights),
            description=Path(snakemake.output.description),
            metrics=Path(snakemake.output.metrics),
            predictions=Path(snakemake.output.predictions),
            training_set=Path(snakemake.output.training_set),
            history=Path(snakemake.output.history),
            checkpoints=checkpoints(
                Path(snakemake.output.weights).with_name(".checkpoints"),
                files=snakemake.input,
                settings=dict(snakemake.params.items()),
            ),
        ),
        ModelSettings.from_dict(snakemake.params.model),
        TrainingSettings.from_dict(snakemake.params.training),
        accelerator=accelerator(snakemake.resources.gpu),
        label=f"{names.dataset} {names.task} {names.variant} seed {names.seed}",
    )
