"""Pre-train one encoder."""

from pathlib import Path

from job import accelerator, checkpoints, job

from sitenet.options.features import FeatureSettings
from sitenet.options.infomax import InfoMaxSettings, PretextSettings
from sitenet.options.model import ModelSettings
from sitenet.options.split import SplitSettings
from sitenet.options.training import PretrainingSettings
from sitenet.splits.held_out import HeldOut, evaluations
from sitenet.train.pretrain import PretrainInputs, PretrainOutputs, pretrain

with job(snakemake):
    inputs, outputs, section = snakemake.input, snakemake.output, snakemake.params.section
    loss = (
        PretextSettings.from_dict(section["pretext"])
        if "pretext" in section
        else InfoMaxSettings.from_dict(section["loss"])
    )
    held_out = HeldOut(
        Path(inputs.structures),
        datasets=tuple(map(Path, inputs.held_out)),
        tested=evaluations(inputs.tested_structures, inputs.tested_splits),
    )
    pretrain(
        PretrainInputs(
            shards=tuple(map(Path, inputs.shards)),
            split=next(map(Path, inputs.split), None) or SplitSettings.from_dict(section["drawn"]),
            held_out=held_out,
            computed_targets=tuple(map(Path, inputs.computed_targets)),
            features=FeatureSettings(**snakemake.params.features),
        ),
        PretrainOutputs(
            weights=Path(outputs.weights),
            description=Path(outputs.description),
            metrics=Path(outputs.metrics),
            training_set=Path(outputs.training_set),
            history=Path(outputs.history),
            checkpoints=checkpoints(
                Path(outputs.weights).with_name(".checkpoints"),
                files=[
                    *inputs.shards,
                    *inputs.computed_targets,
                    *inputs.split,
                    *map(str, held_out.files),
                ],
                settings=dict(snakemake.params.items()),
            ),
        ),
        ModelSettings.from_dict(section["model"]),
        loss,
        PretrainingSettings(**section["training"]),
        accelerator=accelerator(snakemake.resources.gpu),
        label=f"pre-training {snakemake.wildcards.pretraining}",
    )
