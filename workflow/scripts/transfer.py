"""Train one arm on few labels, with all its seeds."""

from pathlib import Path

from job import checkpoints, job

from sitenet.options.model import ModelSettings
from sitenet.options.training import TrainingSettings
from sitenet.options.transfer import TransferSettings
from sitenet.train.transfer import TransferInputs, train_arm

with job(snakemake):
    names, section = snakemake.wildcards, snakemake.params.section
    table = Path(snakemake.output.table)
    encoder = [Path(file) for file in snakemake.input.encoder]
    train_arm(
        TransferInputs(
            structures=Path(snakemake.input.labels),
            shards=tuple(map(Path, snakemake.input.shards)),
            split=Path(snakemake.input.split),
            column=snakemake.params.column,
            unit=snakemake.params.unit,
            n_atoms=snakemake.params.n_atoms,
            encoder=encoder[0] if encoder else None,
        ),
        TransferSettings(
            labels=section["labels"],
            seeds=section["seeds"],
            validation=section["validation"],
            model=ModelSettings.from_dict(section["model"]),
            training=TrainingSettings(**section["training"]),
        ),
        names=(names.experiment, names.arm),
        finished=checkpoints(
            table.with_name(f".{table.stem}"),
            files=snakemake.input,
            settings=dict(snakemake.params.items()),
        ),
        out=table,
        workers=snakemake.threads,
    )
